#include "strata/signals/window_edge.h"

#include "strata/signals/block_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"window_edge", "1", Axis::block, Group::control}};

bool slides(const BlockDescription& block) {
  return block.mixer == Mixer::attention && block.attention.window > 0;
}

constexpr BlockPart kPart{"a sliding window", slides,
                          "documents in which no query sees a whole sliding window"};

std::vector<float> edges(const SweepContext& context, const BlockView& view) {
  std::vector<float> values;
  if (view.attention == nullptr) return values;
  for (const double sum : view.attention->window_edge)
    values.push_back(static_cast<float>(sum / context.config.heads));
  return values;
}

const PartSeries kSeries[] = {{kInfo[0], edges}};

}  // namespace

Signal window_edge_signal() {
  return {.series = kInfo,
          .needs_attention = true,
          .needs_window_edge = true,
          .is_of = slides,
          .make = [](const SweepContext& context) { return part_accumulator(context, kPart, kSeries); },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
