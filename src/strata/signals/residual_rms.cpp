#include "strata/signals/residual_rms.h"

#include <cmath>
#include <limits>

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"residual_rms", "residual units", Axis::state, Group::control}};

double value(const float* h, const float* /*h_out*/, std::int64_t width) {
  return std::sqrt(dot(h, h, width) / static_cast<double>(width));
}

}  // namespace

Signal residual_rms_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make =
              [](const SweepContext& context) {
                return per_token_accumulator(context, kInfo[0], Fold::median, value);
              },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
