// Products and decompositions against LibTorch's (LAPACK), on random and on ill-conditioned matrices.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint32_t key) {
  Philox rng({.seed = 3, .stream = Stream::test, .a = key});
  Matrix x(rows, cols);
  for (double& value : x.data) value = rng.normal();
  return x;
}

at::Tensor tensor(const std::vector<double>& values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble);
}
at::Tensor tensor(const Matrix& m) {
  return tensor(m.data).view({static_cast<std::int64_t>(m.rows), static_cast<std::int64_t>(m.cols)});
}

Matrix matrix(const at::Tensor& t) {
  Matrix m(static_cast<std::size_t>(t.size(0)), static_cast<std::size_t>(t.size(1)));
  const at::Tensor flat = t.contiguous();
  std::copy_n(flat.data_ptr<double>(), m.data.size(), m.data.data());
  return m;
}

double largest(const at::Tensor& t) {
  return t.abs().max().item<double>();
}

// (n, n), orthonormal.
at::Tensor rotation(std::size_t n, std::uint32_t key) {
  return std::get<0>(at::linalg_qr(tensor(random_matrix(n, n, key))));
}

// n values from 1 down to 1 / condition, each the same factor below the one before.
at::Tensor graded(std::size_t n, double condition) {
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(std::pow(condition, -static_cast<double>(i) / static_cast<double>(n - 1)));
  return tensor(values);
}

// Columns of both span the same line: the sine of the angle between them. Values are in any order.
void expect_same_lines(const at::Tensor& ours, const at::Tensor& theirs, const at::Tensor& values,
                       double rounding) {
  const at::Tensor along = (ours * theirs).sum(0), apart = ours - theirs * along;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    const double here = values[i].item<double>();
    double gap = INFINITY;
    for (std::int64_t j = 0; j < values.size(0); ++j) {
      if (j != i) gap = std::min(gap, std::fabs(values[j].item<double>() - here));
    }
    EXPECT_LT(apart.select(1, i).norm().item<double>(), rounding / gap) << i;
  }
}

constexpr double kConditions[] = {1e1, 1e6, 1e14};

TEST(LinalgTorch, Products) {
  for (const double range : {1.0, 1e8}) {  // of the inner dimension's scales
    for (const std::size_t inner : {1, 255, 600}) {
      Matrix a = random_matrix(37, inner, 1), b = random_matrix(29, inner, 2);
      for (std::size_t k = 0; k < inner; ++k) {
        for (std::size_t i = 0; i < a.rows; ++i) a(i, k) *= k % 2 == 0 ? range : 1.0 / range;
      }
      const at::Tensor x = tensor(a), y = tensor(b);
      const at::Tensor size = 1e-14 * x.abs().mm(y.abs().t());
      const auto expect = [](const Matrix& ours, const at::Tensor& theirs, const at::Tensor& within) {
        EXPECT_TRUE((tensor(ours) - theirs).abs().le(within).all().item<bool>());
      };
      expect(linalg::multiply_transposed(a, b), x.mm(y.t()), size);
      expect(linalg::multiply(a, matrix(y.t())), x.mm(y.t()), size);
      expect(linalg::transposed_multiply(matrix(x.t()), matrix(y.t())), x.mm(y.t()), size);
      expect(linalg::gram_of_rows(a), x.mm(x.t()), 1e-14 * x.abs().mm(x.abs().t()));
      expect(linalg::gram_of_columns(b), y.t().mm(y), 1e-14 * y.abs().t().mm(y.abs()));
    }
  }
}

TEST(LinalgTorch, EigenvaluesAndVectorsOfRandomMatrices) {
  for (const std::size_t n : {2, 17, 120}) {
    const Matrix a = linalg::gram_of_rows(random_matrix(n, n + 3, 4));
    const auto [values, vectors] = at::linalg_eigh(tensor(a));
    const double rounding = 1e-15 * static_cast<double>(n) * largest(values);
    const auto eigen = linalg::symmetric_eigen(a);
    EXPECT_LT(largest(tensor(eigen.values) - values), rounding);
    EXPECT_LT(largest(tensor(linalg::symmetric_eigenvalues(a)) - values), rounding);
    expect_same_lines(tensor(eigen.vectors), vectors, values, 10.0 * rounding);
  }
}

TEST(LinalgTorch, EigenvaluesAndVectorsOfIllConditionedMatrices) {
  constexpr std::size_t kSize = 40;
  for (const double condition : kConditions) {
    SCOPED_TRACE(condition);
    const at::Tensor q = rotation(kSize, 5), known = graded(kSize, condition).flip(0);
    at::Tensor product = (q * known).mm(q.t());
    product = 0.5 * (product + product.t());
    const auto [values, vectors] = at::linalg_eigh(product);
    const auto eigen = linalg::symmetric_eigen(matrix(product));
    EXPECT_LT(largest(tensor(eigen.values) - values), 1e-14);
    EXPECT_LT(largest(tensor(eigen.values) - known), 1e-14);
    expect_same_lines(tensor(eigen.vectors), vectors, values, 1e-14);
  }
}

// Several equal eigenvalues: no line is determined, the space of them is.
TEST(LinalgTorch, TheSpaceOfEqualEigenvalues) {
  const at::Tensor q = rotation(30, 6);
  const at::Tensor known = at::cat({at::full({20}, 1.0, at::kDouble), at::full({10}, 2.0, at::kDouble)});
  at::Tensor product = (q * known).mm(q.t());
  product = 0.5 * (product + product.t());
  const at::Tensor ours = tensor(linalg::symmetric_eigen(matrix(product)).vectors).narrow(1, 20, 10);
  const at::Tensor theirs = std::get<1>(at::linalg_eigh(product)).narrow(1, 20, 10);
  EXPECT_LT(largest(ours.mm(ours.t()) - theirs.mm(theirs.t())), 1e-13);
}

TEST(LinalgTorch, SingularValuesAndVectors) {
  const auto expect = [](const at::Tensor& x, double rounding) {
    const auto [u, values, vh] = at::linalg_svd(x, false);
    const auto ours = linalg::singular_values(matrix(x));
    EXPECT_LT(largest(tensor(ours.values) - values), rounding * largest(values));
    expect_same_lines(tensor(ours.u), u, values, 10.0 * rounding * largest(values));
    expect_same_lines(tensor(ours.v), vh.t(), values, 10.0 * rounding * largest(values));
  };
  expect(tensor(random_matrix(32, 32, 7)), 1e-14);
  expect(tensor(random_matrix(50, 12, 8)), 1e-14);
  expect(tensor(random_matrix(12, 50, 9)), 1e-14);
  for (const double condition : kConditions) {
    SCOPED_TRACE(condition);
    expect((rotation(40, 10).narrow(1, 0, 25) * graded(25, condition)).mm(rotation(25, 11).t()), 1e-14);
  }
}

// The projection on the rows, whose error is that of the matrix times its condition.
TEST(LinalgTorch, OrthonormalRowsSpanLibTorchsSpace) {
  for (const double condition : {1e1, 1e3, 1e6}) {
    SCOPED_TRACE(condition);
    const at::Tensor x = (rotation(8, 12) * graded(8, condition)).mm(rotation(60, 13).narrow(0, 0, 8));
    const at::Tensor q = std::get<0>(at::linalg_qr(x.t()));
    const auto ours = linalg::orthonormal_rows(matrix(x), 1e-9);
    ASSERT_TRUE(ours.has_value());
    EXPECT_LT(largest(tensor(*ours).t().mm(tensor(*ours)) - q.mm(q.t())), 1e-15 * condition + 1e-14);
  }
}

TEST(LinalgTorch, ResidualsOfLeastSquares) {
  for (const double condition : {1e1, 1e6}) {
    SCOPED_TRACE(condition);
    const at::Tensor x = rotation(50, 14).narrow(1, 0, 6).mm((graded(6, condition) * rotation(6, 15)).t());
    const Matrix y = random_matrix(50, 1, 16);
    const at::Tensor solution = std::get<0>(at::linalg_lstsq(x, tensor(y), c10::nullopt, "gelsd"));
    const auto ours = linalg::least_squares(matrix(x), y.data, 1e-12);
    EXPECT_EQ(ours.rank, 6);
    EXPECT_LT(largest(tensor(ours.residual) - (tensor(y) - x.mm(solution)).flatten()),
              1e-15 * condition + 1e-13);
  }
}

}  // namespace
}  // namespace strata
