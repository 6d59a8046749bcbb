#include "strata/signals/delta_states.h"

#include "strata/model/delta_rule.h"
#include "strata/signals/block_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"delta_memory", "tokens", Axis::block, Group::control},
                                {"delta_write", "share", Axis::block, Group::control},
                                {"delta_surprise", "1", Axis::block, Group::control}};

bool has_delta_rule(const BlockDescription& block) {
  return block.mixer == Mixer::delta_rule;
}

constexpr BlockPart kPart{"the gated delta rule", has_delta_rule};

template <std::span<double> DeltaSums::*statistic>
std::vector<float> values_of(const SweepContext& /*context*/, const BlockView& view) {
  if (view.delta == nullptr) return {};
  const std::span<double> values = view.delta->*statistic;
  return {values.begin(), values.end()};
}

const PartSeries kSeries[] = {{kInfo[0], values_of<&DeltaSums::memory>},
                              {kInfo[1], values_of<&DeltaSums::strength>},
                              {kInfo[2], values_of<&DeltaSums::surprise>}};

}  // namespace

Signal delta_states_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_delta = true,
          .is_of = has_delta_rule,
          .make = [](const SweepContext& context) { return part_accumulator(context, kPart, kSeries); },
          .memory_bytes = [](const SweepContext& context) { return 3 * per_token_bytes(context); }};
}

}  // namespace strata
