// Pairs of states whose mutual information is known.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "strata/base/philox.h"
#include "strata/signals/copula_mi.h"

namespace strata::test {

inline FloatMatrix rounded(const Matrix& m) {
  FloatMatrix x(m.rows, m.cols);
  std::transform(m.data.begin(), m.data.end(), x.data.begin(),
                 [](double value) { return static_cast<float>(value); });
  return x;
}

inline double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

inline double plug_in(const Matrix& x, const Matrix& y, std::int64_t components = kMiComponents) {
  return mean_of(pointwise_information(copula_scores(rounded(x), components).white,
                                       copula_scores(rounded(y), components).white));
}

struct Pair {
  Matrix x, y;
};

inline constexpr double kSpread = 1.1;
// Column k of x and y have correlation rho(k) and spread kSpread^-k, so the principal components are the
// columns.
inline Pair correlated(std::size_t n, std::size_t d, const std::function<double(std::size_t)>& rho,
                       std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  Pair pair{.x = Matrix(n, d), .y = Matrix(n, d)};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < d; ++k) {
      const double r = rho(k), u = rng.normal(), v = rng.normal(),
                   size = std::pow(kSpread, -static_cast<double>(k));
      pair.x(i, k) = size * u;
      pair.y(i, k) = size * (r * u + std::sqrt(1.0 - r * r) * v);
    }
  }
  return pair;
}

// Householder reflection of every row by the same random vector, times `scale`, plus `shift`.
inline Matrix moved(const Matrix& x, double scale, std::uint64_t seed, double shift = 7.0) {
  Philox rng({.seed = seed, .stream = Stream::test, .a = 9});
  std::vector<double> v(x.cols);
  double square = 0.0;
  for (double& e : v) {
    e = rng.normal();
    square += e * e;
  }
  Matrix y = x;
  for (std::size_t i = 0; i < x.rows; ++i) {
    const double along = 2.0 * std::inner_product(v.begin(), v.end(), x.row(i).begin(), 0.0) / square;
    for (std::size_t k = 0; k < x.cols; ++k) y(i, k) = shift + scale * (x(i, k) - along * v[k]);
  }
  return y;
}

}  // namespace strata::test
