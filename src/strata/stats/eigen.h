// Eigenvalues and vectors of small symmetric matrices, and their positive square root.
#pragma once

#include <vector>

#include "strata/base/matrix.h"

namespace strata::stats {

struct SymmetricEigen {
  std::vector<double> values;  ///< largest first
  Matrix vectors;              ///< n x n, column j belongs to values[j]
};

/// Cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, 8.5). `matrix` must be square,
/// finite and symmetric up to rounding. Meant for n up to about 100.
[[nodiscard]] SymmetricEigen symmetric_eigen(const Matrix& matrix);

/// V sqrt(max(lambda, 0)) V': the positive square root of the matrix with negative eigenvalues clipped.
[[nodiscard]] Matrix clipped_square_root(const SymmetricEigen& eigen);

}  // namespace strata::stats
