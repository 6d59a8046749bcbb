#include "strata/signals/angular_step.h"

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"angular_step", "pi rad", Axis::block, Group::representation}};

}  // namespace

Signal angular_step_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make =
              [](const SweepContext& context) {
                return per_token_accumulator(context, kInfo[0], Fold::mean, angle);
              },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
