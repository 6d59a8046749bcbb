#include "strata/stats/special.h"

#include <cmath>
#include <numbers>

#include "strata/base/error.h"

namespace strata::stats {
namespace {

// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300, kEnough = 1e-16;
  constexpr int kSteps = 10000;
  double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
  d = 1.0 / (std::fabs(d) < kTiny ? kTiny : d);
  double value = d;
  const auto step = [&](double term) {
    d = 1.0 + term * d;
    d = 1.0 / (std::fabs(d) < kTiny ? kTiny : d);
    c = 1.0 + term / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    value *= d * c;
  };
  for (int m = 1; m < kSteps; ++m) {
    const double k = m;
    step(k * (b - k) * x / ((a + 2.0 * k - 1.0) * (a + 2.0 * k)));
    step(-(a + k) * (a + b + k) * x / ((a + 2.0 * k) * (a + 2.0 * k + 1.0)));
    if (std::fabs(d * c - 1.0) < kEnough) break;
  }
  return value;
}

// The series of the lower incomplete gamma function (DLMF 8.11.4); for x < a + 1.
double gamma_series(double a, double x) {
  double term = 1.0 / a, sum = term;
  for (int n = 1; n < 100000 && term > 1e-17 * sum; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// The continued fraction of the upper one (DLMF 8.9.2), by Lentz's method; for x >= a + 1.
double gamma_fraction(double a, double x) {
  constexpr double kTiny = 1e-300, kEnough = 1e-16;
  double b = x + 1.0 - a, c = 1.0 / kTiny, d = 1.0 / b, value = d;
  for (int n = 1; n < 100000; ++n) {
    const double term = -n * (n - a);
    b += 2.0;
    d = term * d + b;
    d = 1.0 / (std::fabs(d) < kTiny ? kTiny : d);
    c = b + term / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    value *= d * c;
    if (std::fabs(d * c - 1.0) < kEnough) break;
  }
  return value * std::exp(a * std::log(x) - x - std::lgamma(a));
}

}  // namespace

double incomplete_beta(double x, double a, double b) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  // The fraction converges fast on this side of the mean.
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(x, a, b) / a;
  return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

double incomplete_gamma(double a, double x) {
  STRATA_CHECK(a > 0.0);
  if (x <= 0.0) return 0.0;
  return x < a + 1.0 ? gamma_series(a, x) : 1.0 - gamma_fraction(a, x);
}

double normal_quantile(double p) {
  double low = -40.0, high = 40.0;
  for (int i = 0; i < 100; ++i) {
    const double x = 0.5 * (low + high);
    (0.5 * std::erfc(-x / std::numbers::sqrt2) < p ? low : high) = x;
  }
  return 0.5 * (low + high);
}

}  // namespace strata::stats
