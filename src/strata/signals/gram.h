// Gram matrices of a few hundred rows, shared by the spectral signals.
#pragma once

#include <cstddef>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// The Gram matrix of the rows less their mean, from the plain Gram matrix X X^T (n x n).
[[nodiscard]] Matrix centred_gram(const Matrix& gram);

/// The positive eigenvalues of a Gram matrix of rows of this width, in no order. Of rank far below its size
/// it is factored first (Cholesky with pivots, down to 1e-14 of the trace), so that the eigenproblem has the
/// size of the rank.
[[nodiscard]] std::vector<double> gram_eigenvalues(const Matrix& gram, std::size_t width);

}  // namespace strata
