#include "strata/stats/ar1.h"

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"

namespace strata::stats {

ResidualSums residual_sums(const Matrix& values, const Matrix& fitted) {
  STRATA_CHECK(values.rows == fitted.rows && values.cols == fitted.cols);
  ResidualSums sums;
  for (std::size_t t = 0; t < values.rows; ++t) {
    double square = 0.0, lag = 0.0;
    for (std::size_t j = 0; j < values.cols; ++j) {
      const double r = values(t, j) - fitted(t, j);
      square += r * r;
      if (t > 0) lag += r * (values(t - 1, j) - fitted(t - 1, j));
    }
    sums.square += square;
    sums.lag += lag;
    if (t > 0 && t + 1 < values.rows) sums.inner += square;
  }
  return sums;
}

Ar1Fit fit_ar1(const ResidualSums& sums, std::size_t n) {
  const auto quadratic = [&](double rho) {
    return std::max(0.0, sums.square - 2.0 * rho * sums.lag + rho * rho * sums.inner);
  };
  if (sums.square <= 0.0) return {};
  const auto score = [&](double rho) {
    return static_cast<double>(n) * (sums.lag - rho * sums.inner) * (1.0 - rho * rho) - rho * quadratic(rho);
  };
  double low = 0.0, high = kMaxRho;
  if (score(low) <= 0.0) return {0.0, sums.square};
  for (int i = 0; i < 40; ++i) {
    const double middle = 0.5 * (low + high);
    (score(middle) > 0.0 ? low : high) = middle;
  }
  const double rho = 0.5 * (low + high);
  return {rho, quadratic(rho)};
}

double ar1_log_likelihood(const ResidualSums& sums, std::size_t n, double dimension, double floor) {
  const Ar1Fit fit = fit_ar1(sums, n);
  const double count = static_cast<double>(n) * dimension;
  const double variance = std::max(fit.innovation_sum, floor) / count;
  return -0.5 * count * std::log(variance) + 0.5 * dimension * std::log(1.0 - fit.rho * fit.rho);
}

void fill_ar1(Matrix& noise, double rho, std::span<const double> sd, Philox& rng) {
  STRATA_CHECK(sd.size() == noise.cols && std::abs(rho) < 1.0);
  const double step = std::sqrt(1.0 - rho * rho);
  for (std::size_t t = 0; t < noise.rows; ++t) {
    for (std::size_t j = 0; j < noise.cols; ++j) {
      const double fresh = sd[j] * rng.normal();
      noise(t, j) = t == 0 ? fresh : rho * noise(t - 1, j) + step * fresh;
    }
  }
}

void fill_walk(Matrix& noise, std::span<const double> sd, Philox& rng) {
  STRATA_CHECK(sd.size() == noise.cols);
  for (std::size_t t = 0; t < noise.rows; ++t) {
    for (std::size_t j = 0; j < noise.cols; ++j) {
      noise(t, j) = t == 0 ? 0.0 : noise(t - 1, j) + sd[j] * rng.normal();
    }
  }
}

}  // namespace strata::stats
