#include "strata/signals/update_ratio.h"

#include <cmath>
#include <limits>

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"update_ratio", "1", Axis::block, Group::representation}};

double value(const float* h_in, const float* h_out, std::int64_t width) {
  const double size = std::sqrt(dot(h_in, h_in, width));
  if (!(size > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  return std::sqrt(squared_distance(h_in, h_out, width)) / size;
}

}  // namespace

Signal update_ratio_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make =
              [](const SweepContext& context) {
                return per_token_accumulator(context, kInfo[0], Fold::median, value);
              },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
