#include "strata/signals/block_influence.h"

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"block_influence", "1", Axis::block, Group::representation}};

}  // namespace

Signal block_influence_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make =
              [](const SweepContext& context) {
                return per_token_accumulator(context, kInfo[0], Fold::mean, cosine_distance);
              },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
