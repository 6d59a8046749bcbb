#include "strata/stats/trend.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/philox.h"

namespace strata::stats {
namespace {

double depth(std::size_t t, std::size_t n) {
  return (static_cast<double>(t) + 0.5) / static_cast<double>(n);
}

template <typename F>
Matrix profile_of(std::size_t n, const F& f) {
  Matrix y(n, 2);
  for (std::size_t t = 0; t < n; ++t) {
    y(t, 0) = f(depth(t, n));
    y(t, 1) = 3.0 - 2.0 * f(depth(t, n));
  }
  return y;
}

double squares(const Matrix& a, const Matrix& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += (a.data[i] - b.data[i]) * (a.data[i] - b.data[i]);
  return sum;
}

TEST(Trend, EachFitsItsOwnShapeExactly) {
  const std::size_t n = 24;
  const TrendFitter fitter(n);
  const auto check = [&](Trend trend, const Matrix& y) {
    EXPECT_NEAR(squares(fitter.fit(trend, y).fitted, y), 0.0, 1e-16) << to_string(trend);
  };
  check(Trend::constant, profile_of(n, [](double) { return 4.0; }));
  check(Trend::linear, profile_of(n, [](double u) { return 4.0 * u; }));
  check(Trend::quadratic, profile_of(n, [](double u) { return u - 3.0 * u * u; }));
  check(Trend::logistic, profile_of(n, [](double u) {
          return 1.0 / (1.0 + std::exp(-(u - 0.35) * 2.0 * std::log(9.0) / 0.5));
        }));
  check(Trend::monotone, profile_of(n, [](double u) { return u; }));  // lines are in the span of the splines
}

TEST(Trend, PolynomialsEqualTheTextbookFormula) {
  const std::size_t n = 9;
  Matrix y(n, 1);
  Philox rng({.seed = 2});
  for (double& x : y.data) x = rng.normal();
  double sxx = 0.0, sxy = 0.0, mean = 0.0;
  for (std::size_t t = 0; t < n; ++t) mean += y(t, 0) / n;
  for (std::size_t t = 0; t < n; ++t) {
    sxx += std::pow(static_cast<double>(t) - 4.0, 2);
    sxy += (static_cast<double>(t) - 4.0) * (y(t, 0) - mean);
  }
  const auto fit = TrendFitter(n).fit(Trend::linear, y);
  for (std::size_t t = 0; t < n; ++t) {
    EXPECT_NEAR(fit.fitted(t, 0), mean + sxy / sxx * (static_cast<double>(t) - 4.0), 1e-12);
  }
}

TEST(Trend, MonotoneIsMonotoneAndOptimal) {
  const std::size_t n = 20;
  const TrendFitter fitter(n);
  Philox rng({.seed = 8});
  for (int trial = 0; trial < 50; ++trial) {
    Matrix y(n, 1);
    for (std::size_t t = 0; t < n; ++t)
      y(t, 0) = rng.normal() + (trial % 2 == 0 ? 1.0 : -1.0) * 3.0 * depth(t, n);
    const auto fit = fitter.fit(Trend::monotone, y);
    bool rises = true, falls = true;
    for (std::size_t t = 1; t < n; ++t) {
      rises = rises && fit.fitted(t, 0) >= fit.fitted(t - 1, 0) - 1e-12;
      falls = falls && fit.fitted(t, 0) <= fit.fitted(t - 1, 0) + 1e-12;
    }
    EXPECT_TRUE(rises || falls);
    // A line is in the class, so the class never fits worse.
    EXPECT_LE(squares(fit.fitted, y), squares(fitter.fit(Trend::linear, y).fitted, y) + 1e-12);
    // The residual is orthogonal to the fit: the projection onto a cone.
    double dot = 0.0, mean = 0.0;
    for (std::size_t t = 0; t < n; ++t) mean += y(t, 0) / n;
    for (std::size_t t = 0; t < n; ++t) dot += (y(t, 0) - fit.fitted(t, 0)) * (fit.fitted(t, 0) - mean);
    EXPECT_NEAR(dot, 0.0, 1e-9);
  }
}

TEST(Trend, NoSmoothTrendFollowsAStep) {
  // The classes are called smooth because they cannot: each leaves a good part of a unit step unexplained.
  const std::size_t n = 24;
  const TrendFitter fitter(n);
  const Matrix y = profile_of(n, [](double u) { return u < 0.5 ? 0.0 : 1.0; });
  for (const Trend trend : kTrends)
    EXPECT_GT(squares(fitter.fit(trend, y).fitted, y), 1.0) << to_string(trend);
}

TEST(Trend, RowsLeftOutAreNotLookedAtAndArePredicted) {
  const std::size_t n = 12;
  Matrix y = profile_of(n, [](double u) { return 1.0 + 2.0 * u; });
  const Matrix truth = y;
  y(5, 0) = 1e6;
  std::vector<std::size_t> kept;
  for (std::size_t t = 0; t < n; ++t) {
    if (t != 5) kept.push_back(t);
  }
  const TrendFitter fitter(n, kept);
  for (const Trend trend : {Trend::linear, Trend::quadratic, Trend::monotone}) {
    EXPECT_NEAR(fitter.fit(trend, y).fitted(5, 0), truth(5, 0), 1e-9) << to_string(trend);
  }
}

}  // namespace
}  // namespace strata::stats
