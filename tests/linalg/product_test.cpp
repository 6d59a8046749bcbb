// Products against sums in long double, at every shape where a tile ends, and the bits of every kernel.
#include "strata/linalg/product.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/philox.h"

namespace strata {
namespace {

Matrix random_normal(std::size_t rows, std::size_t cols, std::uint32_t key) {
  Philox rng({.seed = 1, .stream = Stream::test, .a = key});
  Matrix x(rows, cols);
  for (double& value : x.data) value = rng.normal();
  return x;
}

Matrix transposed(const Matrix& x) {
  Matrix out(x.cols, x.rows);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) out(j, i) = x(i, j);
  }
  return out;
}

// a b^T, each element within rounding of the sum of its terms' sizes.
void expect_product(const Matrix& c, const Matrix& a, const Matrix& b) {
  ASSERT_EQ(c.rows, a.rows);
  ASSERT_EQ(c.cols, b.rows);
  for (std::size_t i = 0; i < c.rows; ++i) {
    for (std::size_t j = 0; j < c.cols; ++j) {
      long double sum = 0.0L, size = 0.0L;
      for (std::size_t k = 0; k < a.cols; ++k) {
        const long double term = static_cast<long double>(a(i, k)) * b(j, k);
        sum += term;
        size += std::fabs(term);
      }
      ASSERT_NEAR(c(i, j), static_cast<double>(sum), 1e-14 * static_cast<double>(size)) << i << ' ' << j;
    }
  }
}

TEST(Product, AgreesWithTheSumsAtEveryShape) {
  for (const std::size_t rows : {1, 7, 8, 9, 131}) {
    for (const std::size_t cols : {1, 15, 16, 33}) {
      for (const std::size_t inner : {0, 1, 255, 256, 257, 600}) {
        const Matrix a = random_normal(rows, inner, 1), b = random_normal(cols, inner, 2);
        expect_product(linalg::multiply_transposed(a, b), a, b);
        expect_product(linalg::multiply(a, transposed(b)), a, b);
        expect_product(linalg::transposed_multiply(transposed(a), transposed(b)), a, b);
      }
    }
  }
}

TEST(Product, AGramMatrixIsSymmetricAndThatOfTheRowsOrColumns) {
  for (const std::size_t rows : {1, 16, 50, 140}) {
    const Matrix x = random_normal(rows, 70, 3);
    const Matrix of_rows = linalg::gram_of_rows(x);
    expect_product(of_rows, x, x);
    EXPECT_EQ(of_rows, transposed(of_rows));
    EXPECT_EQ(of_rows, linalg::gram_of_columns(transposed(x)));
    FloatMatrix rounded(rows, 70);
    Matrix exact(rows, 70);
    for (std::size_t i = 0; i < x.data.size(); ++i) {
      rounded.data[i] = static_cast<float>(x.data[i]);
      exact.data[i] = rounded.data[i];
    }
    EXPECT_EQ(linalg::gram_of_rows(rounded.data.data(), rows, 70), linalg::gram_of_rows(exact));
  }
}

TEST(Product, AnElementHasTheSameBitsWhateverItsNeighboursAndTheKernel) {
  const Matrix a = random_normal(37, 700, 4), b = random_normal(29, 700, 5);
  const Matrix whole = linalg::multiply_transposed(a, b);
  for (std::size_t kernel = 0; kernel < linalg::product_kernel_count(); ++kernel) {
    EXPECT_EQ(linalg::multiply_transposed_with(kernel, a, b), whole) << kernel;
  }
  Matrix row(1, 700), other(1, 700);
  for (const std::size_t i : {0, 11, 36}) {
    for (const std::size_t j : {0, 17, 28}) {
      std::copy(a.row(i).begin(), a.row(i).end(), row.row(0).begin());
      std::copy(b.row(j).begin(), b.row(j).end(), other.row(0).begin());
      EXPECT_EQ(linalg::multiply_transposed(row, other)(0, 0), whole(i, j));
    }
  }
}

}  // namespace
}  // namespace strata
