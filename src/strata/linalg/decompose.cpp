#include "strata/linalg/decompose.h"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

#include "strata/base/error.h"

namespace strata::linalg {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const RowMajor> view(const Matrix& x) {
  return {x.data.data(), static_cast<Eigen::Index>(x.rows), static_cast<Eigen::Index>(x.cols)};
}

template <class Derived>
Matrix to_matrix(const Eigen::MatrixBase<Derived>& x) {
  Matrix out(static_cast<std::size_t>(x.rows()), static_cast<std::size_t>(x.cols()));
  Eigen::Map<RowMajor>(out.data.data(), x.rows(), x.cols()) = x;
  return out;
}

template <class Derived>
std::vector<double> to_vector(const Eigen::MatrixBase<Derived>& x) {
  std::vector<double> out(static_cast<std::size_t>(x.size()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = x(static_cast<Eigen::Index>(i));
  return out;
}

Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solve(const Matrix& matrix, int what) {
  STRATA_CHECK(matrix.rows == matrix.cols);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) STRATA_CHECK(std::isfinite(matrix(i, j)));
  }
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  if (matrix.rows == 0) return solver;
  solver.compute(view(matrix), what);
  STRATA_CHECK(solver.info() == Eigen::Success);
  return solver;
}

// Of each column: the first element that is as large as any but for rounding is positive.
void choose_signs(Matrix& vectors) {
  constexpr double kAsLarge = 1.0 - 1e-6;
  for (std::size_t j = 0; j < vectors.cols; ++j) {
    double largest = 0.0;
    for (std::size_t i = 0; i < vectors.rows; ++i) largest = std::max(largest, std::abs(vectors(i, j)));
    std::size_t first = 0;
    while (std::abs(vectors(first, j)) < kAsLarge * largest) ++first;
    if (vectors(first, j) > 0.0) continue;
    for (std::size_t i = 0; i < vectors.rows; ++i) vectors(i, j) = -vectors(i, j);
  }
}

}  // namespace

SymmetricEigen symmetric_eigen(const Matrix& matrix) {
  if (matrix.rows == 0) return {};
  const auto solver = solve(matrix, Eigen::ComputeEigenvectors);
  SymmetricEigen eigen{to_vector(solver.eigenvalues()), to_matrix(solver.eigenvectors())};
  choose_signs(eigen.vectors);
  return eigen;
}

SymmetricEigen largest_first(const SymmetricEigen& eigen) {
  const std::size_t n = eigen.values.size();
  SymmetricEigen turned{{eigen.values.rbegin(), eigen.values.rend()}, Matrix(n, n)};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) turned.vectors(i, j) = eigen.vectors(i, n - 1 - j);
  }
  return turned;
}

std::vector<double> symmetric_eigenvalues(const Matrix& matrix) {
  if (matrix.rows == 0) return {};
  return to_vector(solve(matrix, Eigen::EigenvaluesOnly).eigenvalues());
}

std::uint64_t symmetric_eigen_bytes(std::uint64_t n) {
  return (3 * n * n + 16 * n) * sizeof(double);
}
std::uint64_t symmetric_eigenvalues_bytes(std::uint64_t n) {
  return (n * n + 16 * n) * sizeof(double);
}

Matrix clipped_square_root(const SymmetricEigen& eigen) {
  const std::size_t n = eigen.values.size();
  Matrix root(n, n);
  for (std::size_t k = 0; k < n; ++k) {
    if (!(eigen.values[k] > 0.0)) continue;
    const double scale = std::sqrt(eigen.values[k]);
    for (std::size_t i = 0; i < n; ++i) {
      const double left = scale * eigen.vectors(i, k);
      for (std::size_t j = 0; j < n; ++j) root(i, j) += left * eigen.vectors(j, k);
    }
  }
  return root;
}

SingularValues singular_values(const Matrix& x) {
  for (const double value : x.data) STRATA_CHECK(std::isfinite(value));
  if (x.data.empty()) return {{}, Matrix(x.rows, 0), Matrix(x.cols, 0)};
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(view(x), Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {to_vector(svd.singularValues()), to_matrix(svd.matrixU()), to_matrix(svd.matrixV())};
}

LeastSquares least_squares(const Matrix& x, std::span<const double> y, double least) {
  STRATA_CHECK(x.rows == y.size());
  LeastSquares result{.residual = {y.begin(), y.end()}};
  if (x.data.empty()) return result;
  Eigen::MatrixXd columns = view(x);
  for (Eigen::Index j = 0; j < columns.cols(); ++j) {
    const double norm = columns.col(j).norm();
    if (norm > 0.0) columns.col(j) /= norm;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(columns);
  qr.setThreshold(least);
  const Eigen::Index rank = qr.rank();
  Eigen::Map<Eigen::VectorXd> residual(result.residual.data(), columns.rows());
  Eigen::VectorXd along = qr.householderQ().adjoint() * residual;
  along.head(rank).setZero();
  residual = qr.householderQ() * along;
  result.rank = static_cast<int>(rank);
  return result;
}

std::optional<Matrix> orthonormal_rows(Matrix rows, double least) {
  STRATA_CHECK(rows.rows <= rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double square = 0.0;
    for (const double value : rows.row(i)) square += value * value;
    if (!(square > 0.0)) return {};
    const double scale = 1.0 / std::sqrt(square);
    for (double& value : rows.row(i)) value *= scale;
  }
  const auto k = static_cast<Eigen::Index>(rows.rows), d = static_cast<Eigen::Index>(rows.cols);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(view(rows).transpose());
  for (Eigen::Index i = 0; i < k; ++i) {
    if (!(std::abs(qr.matrixQR()(i, i)) > least)) return {};
  }
  Eigen::MatrixXd q = Eigen::MatrixXd::Identity(d, k);
  q.applyOnTheLeft(qr.householderQ());
  return to_matrix(q.transpose());
}

}  // namespace strata::linalg
