// Debiased linear CKA from Gram matrices, summed over batches of independent rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/record/trace.h"

namespace strata {

/// Gram matrices X X^T of one batch of n rows, one for each state; only the upper triangle above the
/// diagonal is kept: the unbiased estimator never uses the diagonal.
struct BatchGrams {
  std::size_t n = 0;
  std::vector<std::vector<double>> upper;  ///< per state: n (n-1)/2 values, row by row
  /// Per state, one over the RMS of each of the n rows; 0 for a row of zeros. Empty = not needed.
  std::vector<std::vector<double>> inverse_rms{};
};

/// Adds this batch's unbiased HSIC of every pair of states (Song et al. 2012, JMLR 13:1393, eq. 5, by
/// U-centring) over the rows in `rows` to `hsic`, weighted by the number of rows. Batches with fewer
/// than `min_rows` rows are left out and add nothing. Returns the number of rows used. `scale` token_rms: of
/// the rows divided by their RMS.
std::size_t add_unbiased_hsic(const BatchGrams& grams, std::span<const std::size_t> rows,
                              std::size_t min_rows, Matrix& hsic, StateScale scale = StateScale::raw);

/// CKA = HSIC(k,l) / sqrt(HSIC(k,k) HSIC(l,l)), unit diagonal; NaN where a self-term is not positive.
[[nodiscard]] Matrix cka_from_hsic(const Matrix& hsic);

}  // namespace strata
