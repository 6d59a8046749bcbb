// effective_rank: exp of the entropy of the covariance's eigenvalues lambda_i / sum lambda, in [1, d]. Roy
// and Vetterli 2007, EUSIPCO, "The effective rank: a measure of effective dimensionality".
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/base/matrix.h"

namespace strata {

/// From the plain Gram matrix X X^T of N rows (N x N) of this width, by the eigenvalues of the sample. It is
/// at most N - 1 and too small where N is not many times the rank (no unbiased estimate of a spectral entropy
/// is known); compare it between states of one sample. NaN where all rows are equal.
[[nodiscard]] double effective_rank(const Matrix& gram, std::size_t width = SIZE_MAX / 2);

}  // namespace strata
