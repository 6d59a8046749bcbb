// Gram matrices of a few hundred rows, shared by the spectral signals.
#pragma once

#include "strata/base/matrix.h"

namespace strata {

/// The Gram matrix of the rows less their mean, from the plain Gram matrix X X^T (n x n).
[[nodiscard]] Matrix centred_gram(const Matrix& gram);

}  // namespace strata
