#include "strata/signals/principal_axes.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "strata/base/philox.h"

namespace strata {
namespace {

constexpr std::int64_t kAxes = 32;

at::Tensor gaussian(std::int64_t rows, std::int64_t columns, std::uint32_t key) {
  Philox rng({.seed = 5, .stream = Stream::test, .a = key});
  at::Tensor x = at::empty({rows, columns}, at::kDouble);
  for (std::int64_t i = 0; i < rows * columns; ++i) x.data_ptr<double>()[i] = rng.normal();
  return x;
}

// Gaussian rows whose covariance has these eigenvalues in a random basis.
at::Tensor rows_with(std::int64_t n, std::int64_t d, const std::function<double(std::int64_t)>& variance) {
  at::Tensor x = gaussian(n, d, 1);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) x.data_ptr<double>()[i * d + j] *= std::sqrt(variance(j));
  }
  const auto [basis, r] = at::linalg_qr(gaussian(d, d, 2));
  return at::mm(x, basis.t()).to(at::kFloat).contiguous();
}

// Of each axis: |X a|^2.
std::vector<double> captured(const at::Tensor& rows, const at::Tensor& axes) {
  const at::Tensor square = at::mm(rows.to(at::kDouble), axes).square().sum(0);
  return {square.data_ptr<double>(), square.data_ptr<double>() + square.size(0)};
}

// Against the eigenvalues of the whole matrix; the axes are orthonormal up to float64, the scores are the
// rows along them up to float32.
void expect_leading(const at::Tensor& rows, const PrincipalAxes& found, double tolerance) {
  const at::Tensor& axes = found.axes;
  ASSERT_TRUE(axes.defined());
  ASSERT_EQ(axes.size(0), rows.size(1));
  ASSERT_EQ(axes.size(1), kAxes);
  const at::Tensor x = rows.to(at::kDouble);
  const bool tall = rows.size(1) <= rows.size(0);
  const auto [values, vectors] = at::linalg_eigh(tall ? at::mm(x.t(), x) : at::mm(x, x.t()), "L");
  const std::vector<double> got = captured(rows, axes);
  double sum = 0.0, best = 0.0;
  for (std::int64_t i = 0; i < kAxes; ++i) {
    const double expected = values.data_ptr<double>()[values.size(0) - kAxes + i];
    EXPECT_NEAR(got[static_cast<std::size_t>(i)], expected, tolerance * expected) << i;
    sum += got[static_cast<std::size_t>(i)];
    best += expected;
  }
  EXPECT_NEAR(sum, best, 0.1 * tolerance * best);
  const at::Tensor products = at::mm(axes.t(), axes).contiguous();
  for (std::int64_t i = 0; i < kAxes; ++i) {
    for (std::int64_t j = 0; j < kAxes; ++j)
      EXPECT_NEAR(products.data_ptr<double>()[i * kAxes + j], i == j ? 1.0 : 0.0, 1e-9);
  }
  const at::Tensor difference = at::sub(at::mm(x, axes), found.scores);
  for (std::int64_t i = 0; i < kAxes; ++i) {
    EXPECT_LT(difference.select(1, i).norm().item<double>(),
              1e-4 * found.scores.select(1, i).norm().item<double>())
        << i;
  }
}

TEST(PrincipalAxes, TheSearchFindsTheLeadingVariances) {
  const auto power = [](std::int64_t j) { return 1.0 / static_cast<double>((j + 1) * (j + 1)); };
  for (const auto& [n, d] : {std::pair(1000, 800), std::pair(800, 1200)}) {
    SCOPED_TRACE(d);
    const at::Tensor rows = rows_with(n, d, power);
    expect_leading(rows, search_axes(rows, kAxes), 1e-3);
  }
}

// One direction with a million times the variance of the next, as massive activations make: the others are
// found beside it, though products are float32.
TEST(PrincipalAxes, AMassiveDirectionHidesNoOther) {
  const at::Tensor rows =
      rows_with(900, 800, [](std::int64_t j) { return j == 0 ? 1e6 : 1.0 / static_cast<double>(j); });
  expect_leading(rows, search_axes(rows, kAxes), 1e-3);
}

// Nothing decays: the search is long, and its answer right.
TEST(PrincipalAxes, AFlatSpectrumIsSearchedAllTheSame) {
  const at::Tensor rows = rows_with(1600, 800, [](std::int64_t) { return 1.0; });
  expect_leading(rows, search_axes(rows, kAxes), 2e-3);
}

// From the axes of most of the rows: as good, wherever it begins, and those of other rows are no trap.
TEST(PrincipalAxes, ASearchThatBeginsElsewhereEndsAtTheSameAxes) {
  const auto slow = [](std::int64_t j) { return 1.0 / static_cast<double>(j + 1); };
  const auto massive = [](std::int64_t j) { return j == 0 ? 1e6 : 1.0 / static_cast<double>(j); };
  for (const auto& variance : {std::function<double(std::int64_t)>(slow), {massive}}) {
    const at::Tensor rows = rows_with(1000, 800, variance);
    at::Tensor start;
    (void)search_axes(rows.narrow(0, 0, 900).contiguous(), kAxes, &start);
    ASSERT_TRUE(start.defined());
    expect_leading(rows, search_axes(rows, kAxes, &start), 1e-3);
    const at::Tensor unrelated = rows.flip(1).contiguous();
    expect_leading(unrelated, search_axes(unrelated, kAxes, &start), 1e-3);
  }
}

// Rows along a direction that the rows of the first search did not have at all: their axes stay eigenvectors,
// and a search that looked at nothing else would stop at once without the new one.
TEST(PrincipalAxes, ADirectionThatIsNewIsFound) {
  const std::int64_t d = 800;
  at::Tensor rows =
      rows_with(1000, d, [](std::int64_t j) { return j < 790 ? 1.0 / static_cast<double>(j + 1) : 0.0; });
  at::Tensor start;
  const PrincipalAxes before = search_axes(rows, kAxes, &start);
  ASSERT_TRUE(before.axes.defined());
  const at::Tensor x = rows.to(at::kDouble);
  const auto [values, vectors] = at::linalg_eigh(at::mm(x.t(), x), "L");
  ASSERT_LT(values.data_ptr<double>()[0], 1e-6 * values.data_ptr<double>()[d - 1]);
  for (const std::int64_t rank : {1, 10, 25}) {
    SCOPED_TRACE(rank);
    const double variance = 1.05 * values.data_ptr<double>()[d - rank];
    at::Tensor more = vectors.select(1, 0).mul(std::sqrt(variance / 4.0)).to(at::kFloat).expand({4, d});
    const at::Tensor grown = at::cat({rows, more}, 0).contiguous();
    at::Tensor from = start;
    expect_leading(grown, search_axes(grown, kAxes, &from), 1e-3);
  }
}

TEST(PrincipalAxes, FewDirectionsAreSolvedWhole) {
  const at::Tensor rows = rows_with(900, 800, [](std::int64_t j) { return j < 20 ? 1.0 : 0.0; });
  EXPECT_FALSE(search_axes(rows, kAxes).axes.defined());
  EXPECT_EQ(principal_axes(rows, kAxes).axes.size(1), 20);
  const at::Tensor nothing = at::zeros({900, 800}, at::kFloat);
  EXPECT_FALSE(search_axes(nothing, kAxes).axes.defined());
  EXPECT_EQ(principal_axes(nothing, kAxes).axes.size(1), 0);
}

TEST(PrincipalAxes, TheSameBitsEveryTime) {
  const at::Tensor rows =
      rows_with(900, 800, [](std::int64_t j) { return 1.0 / static_cast<double>(j + 1); });
  const at::Tensor a = principal_axes(rows, kAxes).axes, b = principal_axes(rows.clone(), kAxes).axes;
  EXPECT_TRUE(a.equal(b));
}

}  // namespace
}  // namespace strata
