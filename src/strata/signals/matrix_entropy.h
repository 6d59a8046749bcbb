// matrix_entropy: von Neumann entropy of the Gram matrix of centred unit-norm rows, divided by
// ln min(N, d); 0 for rank one, about 1 for isotropic rows. Skean et al. 2025, arXiv:2502.02013.
#pragma once

#include "strata/base/matrix.h"

namespace strata {

/// From the plain Gram matrix X X^T of the rows (n x n) and their width; centring and normalisation are
/// done on the Gram matrix. Rows that equal the mean are left out. NaN with fewer than two rows.
[[nodiscard]] double matrix_entropy(const Matrix& gram, std::size_t width);

/// Rows of one estimate of the signal. N rows see at most N directions, so entropies of different N do not
/// compare, whatever they are divided by.
inline constexpr std::size_t kEntropyRows = 32;
/// Mean of matrix_entropy over draws of kEntropyRows of the rows, in their order, which between them take
/// every row: the last draw shares rows with the one before it. NaN with fewer rows, or where one draw is.
[[nodiscard]] double mean_matrix_entropy(const Matrix& gram, std::size_t width);

}  // namespace strata
