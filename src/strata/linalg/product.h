// Products of dense float64 matrices, on one thread.
//
// Every element of a result is a chain of fused multiply-adds over the inner dimension, cut into pieces of a
// fixed length whose sums are added in order. Its bits do not depend on the other rows and columns, nor on
// the processor (without fused multiply-adds std::fma computes them, slowly).
#pragma once

#include <cstddef>

#include "strata/base/matrix.h"

namespace strata::linalg {

/// a b, (n, k) (k, m).
[[nodiscard]] Matrix multiply(const Matrix& a, const Matrix& b);
/// a b^T, (n, k) (m, k).
[[nodiscard]] Matrix multiply_transposed(const Matrix& a, const Matrix& b);
/// a^T b, (k, n) (k, m).
[[nodiscard]] Matrix transposed_multiply(const Matrix& a, const Matrix& b);

/// x x^T of the rows of x: symmetric to the bit.
[[nodiscard]] Matrix gram_of_rows(const Matrix& x);
/// The same of `rows` rows of `columns` float32 values each, row-major.
[[nodiscard]] Matrix gram_of_rows(const float* x, std::size_t rows, std::size_t columns);
/// x^T x of the columns of x: symmetric to the bit.
[[nodiscard]] Matrix gram_of_columns(const Matrix& x);

/// Instruction sets that this processor multiplies with, for tests.
[[nodiscard]] std::size_t product_kernel_count();
/// a b^T with one of them, the fastest first.
[[nodiscard]] Matrix multiply_transposed_with(std::size_t kernel, const Matrix& a, const Matrix& b);

}  // namespace strata::linalg
