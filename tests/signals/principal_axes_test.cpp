#include "strata/signals/principal_axes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

constexpr std::size_t kAxes = 32;

Matrix gaussian(std::size_t rows, std::size_t columns, std::uint32_t key) {
  Philox rng({.seed = 5, .stream = Stream::test, .a = key});
  Matrix x(rows, columns);
  for (double& value : x.data) value = rng.normal();
  return x;
}

FloatMatrix to_float(const Matrix& x) {
  FloatMatrix out(x.rows, x.cols);
  for (std::size_t i = 0; i < x.data.size(); ++i) out.data[i] = static_cast<float>(x.data[i]);
  return out;
}

Matrix widened(const FloatMatrix& x) {
  Matrix out(x.rows, x.cols);
  std::copy(x.data.begin(), x.data.end(), out.data.begin());
  return out;
}

// Gaussian rows whose covariance has these eigenvalues in a random basis.
FloatMatrix rows_with(std::size_t n, std::size_t d, const std::function<double(std::size_t)>& variance) {
  Matrix x = gaussian(n, d, 1);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) x(i, j) *= std::sqrt(variance(j));
  }
  return to_float(linalg::multiply(x, linalg::orthonormal_rows(gaussian(d, d, 2), 0.0).value()));
}

FloatMatrix first_rows(const FloatMatrix& x, std::size_t count) {
  FloatMatrix out(count, x.cols);
  std::copy_n(x.data.begin(), out.data.size(), out.data.begin());
  return out;
}

// Eigenvalues of X^T X that are not 0 (the larger ones of X X^T).
std::vector<double> variances(const FloatMatrix& rows) {
  const Matrix x = widened(rows);
  return linalg::symmetric_eigenvalues(x.cols <= x.rows ? linalg::gram_of_columns(x)
                                                        : linalg::gram_of_rows(x));
}

// Against the eigenvalues of the whole matrix; the axes are orthonormal up to float64, the scores are the
// rows along them up to float32.
void expect_leading(const FloatMatrix& rows, const std::optional<PrincipalAxes>& found, double tolerance) {
  ASSERT_TRUE(found.has_value());
  const Matrix& axes = found->axes;
  ASSERT_EQ(axes.rows, rows.cols);
  ASSERT_EQ(axes.cols, kAxes);
  const std::vector<double> values = variances(rows);
  const Matrix along = linalg::multiply(widened(rows), axes);
  double sum = 0.0, best = 0.0;
  for (std::size_t i = 0; i < kAxes; ++i) {
    const double expected = values[values.size() - kAxes + i];
    double got = 0.0, score = 0.0, error = 0.0;
    for (std::size_t r = 0; r < along.rows; ++r) {
      got += along(r, i) * along(r, i);
      score += found->scores(r, i) * found->scores(r, i);
      error += std::pow(along(r, i) - found->scores(r, i), 2);
    }
    EXPECT_NEAR(got, expected, tolerance * expected) << i;
    EXPECT_LT(std::sqrt(error), 1e-4 * std::sqrt(score)) << i;
    sum += got;
    best += expected;
  }
  EXPECT_NEAR(sum, best, 0.1 * tolerance * best);
  const Matrix products = linalg::gram_of_columns(axes);
  for (std::size_t i = 0; i < kAxes; ++i) {
    for (std::size_t j = 0; j < kAxes; ++j) EXPECT_NEAR(products(i, j), i == j ? 1.0 : 0.0, 1e-9);
  }
}

TEST(PrincipalAxes, TheSearchFindsTheLeadingVariances) {
  const auto power = [](std::size_t j) { return 1.0 / static_cast<double>((j + 1) * (j + 1)); };
  for (const auto& [n, d] : {std::pair(1000, 800), std::pair(800, 1200)}) {
    SCOPED_TRACE(d);
    const FloatMatrix rows = rows_with(n, d, power);
    expect_leading(rows, search_axes(rows, kAxes), 1e-3);
  }
}

// One direction with a million times the variance of the next, as massive activations make: the others are
// found beside it, though products are float32.
TEST(PrincipalAxes, AMassiveDirectionHidesNoOther) {
  const FloatMatrix rows =
      rows_with(900, 800, [](std::size_t j) { return j == 0 ? 1e6 : 1.0 / static_cast<double>(j); });
  expect_leading(rows, search_axes(rows, kAxes), 1e-3);
}

// Nothing decays: the search is long, and its answer right.
TEST(PrincipalAxes, AFlatSpectrumIsSearchedAllTheSame) {
  const FloatMatrix rows = rows_with(1600, 800, [](std::size_t) { return 1.0; });
  expect_leading(rows, search_axes(rows, kAxes), 2e-3);
}

// From the axes of most of the rows: as good, wherever it begins, and those of other rows are no trap.
TEST(PrincipalAxes, ASearchThatBeginsElsewhereEndsAtTheSameAxes) {
  const auto slow = [](std::size_t j) { return 1.0 / static_cast<double>(j + 1); };
  const auto massive = [](std::size_t j) { return j == 0 ? 1e6 : 1.0 / static_cast<double>(j); };
  for (const auto& variance : {std::function<double(std::size_t)>(slow), {massive}}) {
    const FloatMatrix rows = rows_with(1000, 800, variance);
    Matrix start;
    (void)search_axes(first_rows(rows, 900), kAxes, &start);
    ASSERT_EQ(start.cols, rows.cols);
    expect_leading(rows, search_axes(rows, kAxes, &start), 1e-3);
    FloatMatrix unrelated = rows;
    for (std::size_t i = 0; i < unrelated.rows; ++i) std::ranges::reverse(unrelated.row(i));
    expect_leading(unrelated, search_axes(unrelated, kAxes, &start), 1e-3);
  }
}

// Rows along a direction that the rows of the first search did not have at all: their axes stay eigenvectors,
// and a search that looked at nothing else would stop at once without the new one.
TEST(PrincipalAxes, ADirectionThatIsNewIsFound) {
  const std::size_t d = 800;
  const FloatMatrix rows =
      rows_with(1000, d, [](std::size_t j) { return j < 790 ? 1.0 / static_cast<double>(j + 1) : 0.0; });
  Matrix start;
  ASSERT_TRUE(search_axes(rows, kAxes, &start).has_value());
  const auto eigen = linalg::symmetric_eigen(linalg::gram_of_columns(widened(rows)));
  ASSERT_LT(eigen.values[0], 1e-6 * eigen.values[d - 1]);
  for (const std::size_t rank : {1, 10, 25}) {
    SCOPED_TRACE(rank);
    const double size = std::sqrt(1.05 * eigen.values[d - rank] / 4.0);
    FloatMatrix grown = rows;
    for (int copy = 0; copy < 4; ++copy, ++grown.rows) {
      for (std::size_t j = 0; j < d; ++j) {
        grown.data.push_back(static_cast<float>(size * eigen.vectors(j, 1)));
      }
    }
    Matrix from = start;
    expect_leading(grown, search_axes(grown, kAxes, &from), 1e-3);
  }
}

TEST(PrincipalAxes, FewDirectionsAreSolvedWhole) {
  const FloatMatrix rows = rows_with(900, 800, [](std::size_t j) { return j < 20 ? 1.0 : 0.0; });
  EXPECT_FALSE(search_axes(rows, kAxes).has_value());
  EXPECT_EQ(principal_axes(rows, kAxes).axes.cols, 20u);
  const FloatMatrix nothing(900, 800);
  EXPECT_FALSE(search_axes(nothing, kAxes).has_value());
  EXPECT_EQ(principal_axes(nothing, kAxes).axes.cols, 0u);
}

TEST(PrincipalAxes, TheSameBitsEveryTime) {
  const FloatMatrix rows =
      rows_with(900, 800, [](std::size_t j) { return 1.0 / static_cast<double>(j + 1); });
  EXPECT_EQ(principal_axes(rows, kAxes).axes, principal_axes(rows, kAxes).axes);
}

}  // namespace
}  // namespace strata
