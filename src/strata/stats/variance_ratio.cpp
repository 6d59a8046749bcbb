#include "strata/stats/variance_ratio.h"

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/stats/special.h"

namespace strata::stats {
namespace {

// The x >= 0 at which the rising function `cdf` reaches p.
template <class Cdf>
double invert(const Cdf& cdf, double p) {
  double low = 0.0, high = 1.0;
  while (cdf(high) < p && high < 1e300) high *= 2.0;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (cdf(middle) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double chi_square_cdf(double x, double freedom) {
  return incomplete_gamma(0.5 * freedom, 0.5 * x);
}

double chi_square_quantile(double p, double freedom) {
  STRATA_CHECK(p > 0.0 && p < 1.0);
  return invert([&](double x) { return chi_square_cdf(x, freedom); }, p);
}

double fisher_cdf(double f, double freedom_above, double freedom_below) {
  if (f <= 0.0) return 0.0;
  return incomplete_beta(freedom_above * f / (freedom_above * f + freedom_below), 0.5 * freedom_above,
                         0.5 * freedom_below);
}

double fisher_quantile(double p, double freedom_above, double freedom_below) {
  STRATA_CHECK(p > 0.0 && p < 1.0);
  return invert([&](double f) { return fisher_cdf(f, freedom_above, freedom_below); }, p);
}

double noncentral_fisher_cdf(double f, double freedom_above, double freedom_below, double noncentrality) {
  if (f <= 0.0) return 0.0;
  const double x = freedom_above * f / (freedom_above * f + freedom_below);
  const double mean = 0.5 * noncentrality;
  // Poisson weights beyond 12 standard deviations of the mean are below any double that matters here.
  const double reach = 12.0 * std::sqrt(mean + 1.0) + 12.0;
  const auto first = static_cast<int>(std::max(0.0, std::floor(mean - reach)));
  const auto last = static_cast<int>(std::ceil(mean + reach));
  double sum = 0.0;
  for (int j = first; j <= last; ++j) {
    const double log_weight = mean > 0.0 ? j * std::log(mean) - mean - std::lgamma(j + 1.0) : 0.0;
    sum += std::exp(log_weight) * incomplete_beta(x, 0.5 * freedom_above + j, 0.5 * freedom_below);
    if (mean <= 0.0) break;
  }
  return sum;
}

Range sd_interval_90(double sd, double freedom) {
  return {sd * std::sqrt(freedom / chi_square_quantile(0.95, freedom)),
          sd * std::sqrt(freedom / chi_square_quantile(0.05, freedom))};
}

Range ln_sd_ratio_interval_90(double ln_ratio, double freedom_1, double freedom_2) {
  return {ln_ratio - 0.5 * std::log(fisher_quantile(0.95, freedom_1, freedom_2)),
          ln_ratio - 0.5 * std::log(fisher_quantile(0.05, freedom_1, freedom_2))};
}

Range partial_r2_interval_90(double r2, double freedom_above, double freedom_below) {
  if (r2 >= 1.0) return {1.0, 1.0};
  const double f = r2 / (1.0 - r2) * freedom_below / freedom_above;
  const double total = freedom_above + freedom_below + 1.0;
  // The noncentrality at which f is the p quantile; 0 where even the central one is below p.
  const auto share = [&](double p) {
    const double lambda = invert(
        [&](double l) { return 1.0 - noncentral_fisher_cdf(f, freedom_above, freedom_below, l); }, 1.0 - p);
    return lambda / (lambda + total);
  };
  const double central = fisher_cdf(f, freedom_above, freedom_below);
  return {central > 0.95 ? share(0.95) : 0.0, central > 0.05 ? share(0.05) : 0.0};
}

}  // namespace strata::stats
