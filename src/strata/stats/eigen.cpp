#include "strata/stats/eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/error.h"

namespace strata::stats {
namespace {

double off_diagonal_square(const Matrix& a) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < i; ++j) sum += a(i, j) * a(i, j);
  }
  return sum;
}

// One rotation in the plane (p, q) that zeroes a(p, q); the vectors turn with it.
void rotate(Matrix& a, Matrix& v, std::size_t p, std::size_t q) {
  if (a(p, q) == 0.0) return;
  const double theta = (a(q, q) - a(p, p)) / (2.0 * a(p, q));
  const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::hypot(theta, 1.0));
  const double c = 1.0 / std::hypot(t, 1.0);
  const double s = t * c;
  for (std::size_t k = 0; k < a.rows; ++k) {
    const double x = a(k, p), y = a(k, q);
    a(k, p) = c * x - s * y;
    a(k, q) = s * x + c * y;
  }
  for (std::size_t k = 0; k < a.rows; ++k) {
    const double x = a(p, k), y = a(q, k);
    a(p, k) = c * x - s * y;
    a(q, k) = s * x + c * y;
  }
  for (std::size_t k = 0; k < a.rows; ++k) {
    const double x = v(k, p), y = v(k, q);
    v(k, p) = c * x - s * y;
    v(k, q) = s * x + c * y;
  }
}

}  // namespace

SymmetricEigen symmetric_eigen(const Matrix& matrix) {
  STRATA_CHECK(matrix.rows == matrix.cols);
  const std::size_t n = matrix.rows;
  Matrix a = matrix;
  Matrix v(n, n);
  double total = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    v(i, i) = 1.0;
    for (std::size_t j = 0; j < n; ++j) {
      a(i, j) = 0.5 * (matrix(i, j) + matrix(j, i));
      STRATA_CHECK(std::isfinite(a(i, j)));
      total += a(i, j) * a(i, j);
    }
  }
  constexpr int kMaxSweeps = 60;  // convergence is quadratic; ten sweeps are usual
  for (int sweep = 0; sweep < kMaxSweeps && off_diagonal_square(a) > 1e-30 * total; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) rotate(a, v, p, q);
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return a(i, i) > a(j, j); });
  SymmetricEigen result{std::vector<double>(n), Matrix(n, n)};
  for (std::size_t j = 0; j < n; ++j) {
    result.values[j] = a(order[j], order[j]);
    for (std::size_t i = 0; i < n; ++i) result.vectors(i, j) = v(i, order[j]);
  }
  return result;
}

Matrix clipped_square_root(const SymmetricEigen& eigen) {
  const std::size_t n = eigen.values.size();
  Matrix root(n, n);
  for (std::size_t k = 0; k < n; ++k) {
    if (eigen.values[k] <= 0.0) break;
    const double scale = std::sqrt(eigen.values[k]);
    for (std::size_t i = 0; i < n; ++i) {
      const double left = scale * eigen.vectors(i, k);
      for (std::size_t j = 0; j < n; ++j) root(i, j) += left * eigen.vectors(j, k);
    }
  }
  return root;
}

}  // namespace strata::stats
