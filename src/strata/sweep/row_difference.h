// How far two arrays of tokens are apart, each token in units of its own size.
#pragma once

#include <cstdint>
#include <span>

namespace strata {

/// The element that differs most in units of its scale: the RMS of the reference's row, or the reference's
/// value where that is larger. A few tokens have states a thousand times as large as the others, and a few
/// dimensions values twenty times a token's RMS; float32 rounds each of them by its own size.
struct RowDifference {
  double difference = 0.0;  ///< |ours - reference| there; infinite where ours is not finite
  double scale = 0.0;
  double relative = 0.0;                      ///< difference / scale
  std::int64_t position = -1, dimension = 0;  ///< where; position -1 = no row seen
};

/// Takes rows of `width` values into `worst`; the first of them is row `first_row` of the array.
void fold_rows(RowDifference& worst, std::span<const float> reference, std::span<const float> ours,
               std::size_t width, std::int64_t first_row);

}  // namespace strata
