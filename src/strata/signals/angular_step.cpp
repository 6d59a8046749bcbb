#include "strata/signals/angular_step.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"angular_step", "pi rad", Axis::block, Group::representation}};

double value(const float* h_in, const float* h_out, std::int64_t width) {
  // atan2 of |a - b| and |a + b| for unit vectors: exact near 0, where arccos of a cosine is not.
  const double a = std::sqrt(dot(h_in, h_in, width)), b = std::sqrt(dot(h_out, h_out, width));
  if (!(a > 0.0) || !(b > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  double minus = 0.0, plus = 0.0;
  for (std::int64_t i = 0; i < width; ++i) {
    const double x = h_in[i] / a, y = h_out[i] / b;
    minus += (x - y) * (x - y);
    plus += (x + y) * (x + y);
  }
  return 2.0 * std::atan2(std::sqrt(minus), std::sqrt(plus)) / std::numbers::pi;
}

}  // namespace

Signal angular_step_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make =
              [](const SweepContext& context) {
                return per_token_accumulator(context, kInfo[0], Fold::mean, value);
              },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
