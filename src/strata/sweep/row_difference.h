// How far two arrays of tokens are apart, each token in units of its own size.
#pragma once

#include <cstdint>
#include <span>

namespace strata {

/// The element that differs most in units of its token's RMS. A few tokens have states a thousand times as
/// large as the others: one scale for the whole array would hide what is wrong in the others, or take
/// rounding in the large ones for an error.
struct RowDifference {
  double difference = 0.0;                    ///< |ours - reference| there; infinite where ours is not finite
  double token_rms = 0.0;                     ///< of the reference's row
  double relative = 0.0;                      ///< difference / token_rms
  std::int64_t position = -1, dimension = 0;  ///< where; position -1 = no row seen
};

/// Takes rows of `width` values into `worst`; the first of them is row `first_row` of the array.
void fold_rows(RowDifference& worst, std::span<const float> reference, std::span<const float> ours,
               std::size_t width, std::int64_t first_row);

}  // namespace strata
