#include "strata/signals/matrix_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "strata/linalg/decompose.h"
#include "strata/signals/gram.h"

namespace strata {

double matrix_entropy(const Matrix& gram, std::size_t width) {
  const std::size_t n = gram.rows;
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  Matrix normalised = centred_gram(gram);
  std::vector<double> scale(n, 0.0);  // 1 / norm of the centred row; 0 leaves it out
  std::size_t used = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!(normalised(i, i) > 1e-12 * gram(i, i))) continue;
    scale[i] = 1.0 / std::sqrt(normalised(i, i));
    ++used;
  }
  if (used < 2) return std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      normalised(i, j) = normalised(i, j) * scale[i] * scale[j] / static_cast<double>(used);
    }
  }
  double entropy = 0.0;
  for (const double lambda : linalg::symmetric_eigenvalues(normalised)) {
    if (lambda > 0.0) entropy -= lambda * std::log(lambda);
  }
  return entropy / std::log(static_cast<double>(std::min(used, width)));
}

double mean_matrix_entropy(const Matrix& gram, std::size_t width) {
  const std::size_t n = gram.rows;
  if (n < kEntropyRows) return std::numeric_limits<double>::quiet_NaN();
  const std::size_t draws = (n + kEntropyRows - 1) / kEntropyRows;
  double sum = 0.0;
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const std::size_t first = std::min(draw * kEntropyRows, n - kEntropyRows);
    Matrix part(kEntropyRows, kEntropyRows);
    for (std::size_t i = 0; i < kEntropyRows; ++i) {
      for (std::size_t j = 0; j < kEntropyRows; ++j) part(i, j) = gram(first + i, first + j);
    }
    sum += matrix_entropy(part, width);
  }
  return sum / static_cast<double>(draws);
}

}  // namespace strata
