#include "strata/signals/attention_distance.h"

#include "strata/signals/attention_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"attention_distance", "1", Axis::block, Group::attention}};

}  // namespace

Signal attention_distance_signal() {
  return {.series = kInfo,
          .needs_attention = true,
          .make =
              [](const SweepContext& context) {
                return attention_accumulator(
                    context, kInfo[0], {&AttentionView::distance_all, &AttentionView::distance_reduced});
              },
          .memory_bytes = attention_bytes};
}

}  // namespace strata
