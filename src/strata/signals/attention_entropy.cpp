#include "strata/signals/attention_entropy.h"

#include "strata/signals/attention_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"attention_entropy", "1", Axis::block, Group::attention}};

}  // namespace

Signal attention_entropy_signal() {
  return {.series = kInfo,
          .needs_attention = true,
          .make =
              [](const SweepContext& context) {
                return attention_accumulator(context, kInfo[0],
                                             {&AttentionView::entropy_all, &AttentionView::entropy_reduced});
              },
          .memory_bytes = attention_bytes};
}

}  // namespace strata
