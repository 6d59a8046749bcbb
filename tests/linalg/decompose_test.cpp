// Decompositions by what defines them, and against matrices whose answer is known.
#include "strata/linalg/decompose.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "strata/base/philox.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint32_t key) {
  Philox rng({.seed = 2, .stream = Stream::test, .a = key});
  Matrix x(rows, cols);
  for (double& value : x.data) value = rng.normal();
  return x;
}

void expect_identity(const Matrix& x, double tolerance) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) ASSERT_NEAR(x(i, j), i == j ? 1.0 : 0.0, tolerance);
  }
}

void expect_near(const Matrix& a, const Matrix& b, double tolerance) {
  ASSERT_EQ(a.data.size(), b.data.size());
  for (std::size_t i = 0; i < a.data.size(); ++i) ASSERT_NEAR(a.data[i], b.data[i], tolerance) << i;
}

// 2 on the diagonal, -1 beside it: eigenvalues 2 - 2 cos(k pi / (n + 1)).
TEST(Decompose, EigenvaluesOfTheSecondDifference) {
  const std::size_t n = 40;
  Matrix second(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    second(i, i) = 2.0;
    if (i > 0) second(i, i - 1) = -1.0;
    if (i + 1 < n) second(i, i + 1) = std::nan("");  // above the diagonal: not read
  }
  const auto values = linalg::symmetric_eigenvalues(second);
  const auto eigen = linalg::symmetric_eigen(second);
  ASSERT_EQ(values.size(), n);
  for (std::size_t k = 0; k < n; ++k) {
    const double known = 2.0 - 2.0 * std::cos(static_cast<double>(k + 1) * std::numbers::pi / 41.0);
    EXPECT_NEAR(values[k], known, 1e-13);
    EXPECT_NEAR(eigen.values[k], known, 1e-13);
  }
}

TEST(Decompose, EigenvectorsGiveTheMatrixBack) {
  for (const std::size_t n : {1, 2, 30, 120}) {
    const Matrix a = linalg::gram_of_rows(random_matrix(n, n + 3, 1));
    const auto eigen = linalg::symmetric_eigen(a);
    expect_identity(linalg::gram_of_columns(eigen.vectors), 1e-12);
    Matrix scaled = eigen.vectors;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) scaled(i, j) *= eigen.values[j];
    }
    expect_near(linalg::multiply_transposed(scaled, eigen.vectors), a, 1e-11 * static_cast<double>(n));
    expect_near(linalg::gram_of_rows(linalg::clipped_square_root(eigen)), a, 1e-11 * static_cast<double>(n));
  }
}

// Eigenvalues 3 and -1 with vectors (1, 1) and (1, -1): the root is sqrt(3)/2 everywhere.
TEST(Decompose, TheSquareRootClipsNegativeEigenvaluesInAnyOrder) {
  Matrix a(2, 2);
  a.data = {1, 2, 2, 1};
  const auto eigen = linalg::symmetric_eigen(a), turned = linalg::largest_first(eigen);
  EXPECT_NEAR(turned.values[0], 3.0, 1e-15);
  EXPECT_NEAR(turned.vectors(0, 0), turned.vectors(1, 0), 1e-15);
  for (const double x : linalg::clipped_square_root(eigen).data) EXPECT_NEAR(x, std::sqrt(3.0) / 2.0, 1e-14);
  for (const double x : linalg::clipped_square_root(turned).data) EXPECT_NEAR(x, std::sqrt(3.0) / 2.0, 1e-14);
}

// Against the normal equations of a line; a column that is a combination of others changes nothing.
TEST(Decompose, LeastSquaresLeavesWhatTheColumnsDoNotExplain) {
  const std::size_t n = 7;
  Matrix line(n, 2), more(n, 4);
  std::vector<double> y;
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i);
    line(i, 0) = more(i, 0) = 1.0;
    line(i, 1) = more(i, 1) = t;
    more(i, 2) = 1e6 * (3.0 - t);
    more(i, 3) = 0.0;
    y.push_back(t * t);
  }
  const auto fit = linalg::least_squares(line, y, 1e-10), same = linalg::least_squares(more, y, 1e-10);
  EXPECT_EQ(fit.rank, 2);
  EXPECT_EQ(same.rank, 2);
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i);
    EXPECT_NEAR(fit.residual[i], t * t - 6.0 * t + 5.0, 1e-12);  // slope 6, intercept 13 - 18
    EXPECT_NEAR(same.residual[i], fit.residual[i], 1e-12);
  }
  EXPECT_EQ(linalg::least_squares(Matrix(n, 0), y, 1e-10).residual, y);
}

TEST(Decompose, SingularValuesGiveTheMatrixBack) {
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{32, 32}, {5, 9}, {9, 5}, {1, 1}}) {
    const Matrix x = random_matrix(rows, cols, 3);
    const auto svd = linalg::singular_values(x);
    const std::size_t k = std::min(rows, cols);
    ASSERT_EQ(svd.values.size(), k);
    EXPECT_TRUE(std::is_sorted(svd.values.rbegin(), svd.values.rend()));
    expect_identity(linalg::gram_of_columns(svd.u), 1e-13);
    expect_identity(linalg::gram_of_columns(svd.v), 1e-13);
    Matrix scaled = svd.u;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < k; ++j) scaled(i, j) *= svd.values[j];
    }
    expect_near(linalg::multiply_transposed(scaled, svd.v), x, 1e-12);
  }
  EXPECT_TRUE(linalg::singular_values(Matrix(4, 0)).values.empty());
}

TEST(Decompose, OrthonormalRowsSpanTheSameInOrder) {
  const Matrix x = random_matrix(6, 20, 4);
  const auto q = linalg::orthonormal_rows(x, 1e-9);
  ASSERT_TRUE(q.has_value());
  expect_identity(linalg::gram_of_rows(*q), 1e-14);
  const Matrix along = linalg::multiply_transposed(x, *q);
  for (std::size_t i = 0; i < 6; ++i) {
    double rest = 0.0;
    for (const double value : x.row(i)) rest += value * value;
    for (std::size_t j = 0; j < 6; ++j) {
      if (j > i) {
        EXPECT_NEAR(along(i, j), 0.0, 1e-13);  // a row lies among those up to it
      }
      rest -= along(i, j) * along(i, j);
    }
    EXPECT_NEAR(rest, 0.0, 1e-12);
  }
}

TEST(Decompose, RowsWithoutADirectionOfTheirOwnAreNotMadeUp) {
  Matrix x = random_matrix(3, 10, 5);
  for (std::size_t j = 0; j < 10; ++j) x(2, j) = x(0, j) - 2.0 * x(1, j);
  EXPECT_FALSE(linalg::orthonormal_rows(x, 1e-9).has_value());
  for (std::size_t j = 0; j < 10; ++j) x(2, j) = 0.0;
  EXPECT_FALSE(linalg::orthonormal_rows(x, 1e-9).has_value());
}

TEST(Decompose, ValuesThatAreNotFiniteAreABug) {
  Matrix x(2, 2, 1.0);
  x(1, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_ANY_THROW((void)linalg::symmetric_eigen(x));
  EXPECT_ANY_THROW((void)linalg::symmetric_eigenvalues(x));
  EXPECT_ANY_THROW((void)linalg::singular_values(x));
}

}  // namespace
}  // namespace strata
