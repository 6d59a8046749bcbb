#include "strata/signals/gram.h"

#include <vector>

namespace strata {

Matrix centred_gram(const Matrix& gram) {
  const std::size_t n = gram.rows;
  std::vector<double> mean(n, 0.0);
  double grand = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) mean[i] += gram(i, j);
    mean[i] /= static_cast<double>(n);
    grand += mean[i];
  }
  grand /= static_cast<double>(n);
  Matrix centred(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) centred(i, j) = gram(i, j) - mean[i] - mean[j] + grand;
  }
  return centred;
}

}  // namespace strata
