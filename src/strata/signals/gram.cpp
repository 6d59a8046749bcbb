#include "strata/signals/gram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"

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

std::vector<double> gram_eigenvalues(const Matrix& gram, std::size_t width) {
  const std::size_t n = gram.rows;
  if (2 * width > n) return linalg::symmetric_eigenvalues(gram);
  std::vector<double> left(n);  // what the factor's rows have not explained
  double trace = 0.0;
  for (std::size_t i = 0; i < n; ++i) trace += left[i] = gram(i, i);
  Matrix factor(width, n);
  std::size_t rank = 0;
  for (; rank < width; ++rank) {
    const auto pivot = static_cast<std::size_t>(std::max_element(left.begin(), left.end()) - left.begin());
    if (!(left[pivot] > 1e-14 * trace)) break;
    const double root = std::sqrt(left[pivot]);
    const auto row = factor.row(rank);
    for (std::size_t i = 0; i < n; ++i) row[i] = gram(pivot, i);
    for (std::size_t k = 0; k < rank; ++k) {
      const double at_pivot = factor(k, pivot);
      const auto earlier = factor.row(k);
      for (std::size_t i = 0; i < n; ++i) row[i] -= at_pivot * earlier[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
      row[i] /= root;
      left[i] -= row[i] * row[i];
    }
  }
  factor.data.resize(rank * n);
  factor.rows = rank;
  return rank == 0 ? std::vector<double>{} : linalg::symmetric_eigenvalues(linalg::gram_of_rows(factor));
}

}  // namespace strata
