#include "strata/signals/expert_overlap.h"

#include "strata/model/routing.h"
#include "strata/signals/block_fold.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"expert_overlap", "1", Axis::block, Group::control}};

bool takes_several(const BlockDescription& block) {
  return has_experts(block) && block.feed_forward.experts_used > 1;
}

constexpr BlockPart kPart{"several experts for each token", takes_several};

std::vector<float> overlaps(const SweepContext& context, const BlockView& view) {
  std::vector<float> values;
  if (view.expert_directions == nullptr) return values;
  const std::int64_t d = context.config.hidden;
  const auto k = static_cast<double>(view.routing->chosen.size()) / static_cast<double>(view.tokens);
  if (k < 2.0) return values;
  for (std::int64_t t = 0; t < view.tokens; ++t) {
    const float* const sum = view.expert_directions + t * d;
    values.push_back(static_cast<float>((dot(sum, sum, d) - k) / (k * (k - 1.0))));
  }
  return values;
}

const PartSeries kSeries[] = {{kInfo[0], overlaps}};

}  // namespace

Signal expert_overlap_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_routing = true,
          .needs_expert_directions = true,
          .is_of = takes_several,
          .make = [](const SweepContext& context) { return part_accumulator(context, kPart, kSeries); },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
