#include "strata/sweep/row_difference.h"

#include <cmath>
#include <limits>

#include "strata/base/error.h"

namespace strata {

void fold_rows(RowDifference& worst, std::span<const float> reference, std::span<const float> ours,
               std::size_t width, std::int64_t first_row) {
  STRATA_CHECK(width > 0 && reference.size() == ours.size() && ours.size() % width == 0);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (std::size_t begin = 0; begin < ours.size(); begin += width) {
    double square = 0.0, largest = 0.0;
    std::size_t dimension = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const double expected = reference[begin + i];
      square += expected * expected;
      double difference = std::fabs(static_cast<double>(ours[begin + i]) - expected);
      if (!std::isfinite(difference)) difference = kInfinite;
      if (difference > largest) largest = difference, dimension = i;
    }
    const double rms = std::sqrt(square / static_cast<double>(width));
    // A token of nothing but zeros has no scale: only equality passes.
    const double relative = largest == 0.0 ? 0.0 : (rms > 0.0 ? largest / rms : kInfinite);
    if (worst.position >= 0 && !(relative > worst.relative)) continue;
    worst = {.difference = largest,
             .token_rms = rms,
             .relative = relative,
             .position = first_row + static_cast<std::int64_t>(begin / width),
             .dimension = static_cast<std::int64_t>(dimension)};
  }
}

}  // namespace strata
