// Decompositions of dense float64 matrices, by Eigen compiled for the oldest x86-64: the same bits on every
// processor. One thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "strata/base/matrix.h"

namespace strata::linalg {

/// Of a symmetric matrix; only its lower triangle is read, which must be finite.
struct SymmetricEigen {
  std::vector<double> values;  ///< ascending
  /// (n, n), orthonormal: column j belongs to values[j]. Its largest element is positive, so that the sign is
  /// no matter of the solver (where several are as large to 1e-6, the first of them).
  Matrix vectors;
};
[[nodiscard]] SymmetricEigen symmetric_eigen(const Matrix& matrix);
/// The same by descending values.
[[nodiscard]] SymmetricEigen largest_first(const SymmetricEigen& eigen);
/// The values alone, ascending: a fifth of the time.
[[nodiscard]] std::vector<double> symmetric_eigenvalues(const Matrix& matrix);
/// Bytes that these take at most, their results included.
[[nodiscard]] std::uint64_t symmetric_eigen_bytes(std::uint64_t n);
[[nodiscard]] std::uint64_t symmetric_eigenvalues_bytes(std::uint64_t n);

/// V sqrt(max(lambda, 0)) V^T: the positive square root, negative eigenvalues clipped.
[[nodiscard]] Matrix clipped_square_root(const SymmetricEigen& eigen);

/// x = u diag(values) v^T with k = min(rows, columns) columns of u and v. By Jacobi rotations: meant for k up
/// to about 100.
struct SingularValues {
  std::vector<double> values;  ///< descending
  Matrix u, v;
};
[[nodiscard]] SingularValues singular_values(const Matrix& x);

/// y less its projection on the columns of x, (n, k), n = y.size(); by column-pivoting QR of the columns
/// brought to unit length. A column with less than `least` of itself left beside the others adds nothing.
struct LeastSquares {
  std::vector<double> residual;
  int rank = 0;  ///< columns that added something
};
[[nodiscard]] LeastSquares least_squares(const Matrix& x, std::span<const double> y, double least);

/// Rows made orthonormal, each by what those before it lack (Householder QR of the transpose; the sign of a
/// row is any). Empty where a row of unit length has less than `least` of itself left, or where a row is 0.
[[nodiscard]] std::optional<Matrix> orthonormal_rows(Matrix rows, double least);

}  // namespace strata::linalg
