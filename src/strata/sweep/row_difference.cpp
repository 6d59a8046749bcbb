#include "strata/sweep/row_difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"

namespace strata {

void fold_rows(RowDifference& worst, std::span<const float> reference, std::span<const float> ours,
               std::size_t width, std::int64_t first_row) {
  STRATA_CHECK(width > 0 && reference.size() == ours.size() && ours.size() % width == 0);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (std::size_t begin = 0; begin < ours.size(); begin += width) {
    double square = 0.0;
    for (const float x : reference.subspan(begin, width)) square += static_cast<double>(x) * x;
    const double rms = std::sqrt(square / static_cast<double>(width));
    for (std::size_t i = 0; i < width; ++i) {
      const double expected = reference[begin + i];
      double difference = std::fabs(static_cast<double>(ours[begin + i]) - expected);
      if (!std::isfinite(difference)) difference = kInfinite;
      const double scale = std::max(rms, std::fabs(expected));
      // A token of nothing but zeros has no scale: only equality passes.
      const double relative = difference == 0.0 ? 0.0 : (scale > 0.0 ? difference / scale : kInfinite);
      if (worst.position >= 0 && !(relative > worst.relative)) continue;
      worst = {.difference = difference,
               .scale = scale,
               .relative = relative,
               .position = first_row + static_cast<std::int64_t>(begin / width),
               .dimension = static_cast<std::int64_t>(i)};
    }
  }
}

}  // namespace strata
