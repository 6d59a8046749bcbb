#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "strata/stats/ar1.h"
#include "strata/stats/half_sample.h"
#include "strata/stats/quantile.h"
#include "strata/stats/rank_correlation.h"

namespace strata::stats {
namespace {

TEST(Quantile, ByHand) {
  const std::vector<double> x = {5, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(x, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(x, 1.0), 5.0);
  EXPECT_DOUBLE_EQ(quantile(x, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(x, 0.25), 1.75);  // position 0.75 between 1 and 2
  EXPECT_DOUBLE_EQ(median(std::vector<double>{7, 1, 2}), 2.0);
  EXPECT_DOUBLE_EQ(median_absolute_deviation(std::vector<double>{1, 1, 2, 2, 4, 6, 9}), 1.0);
  EXPECT_DOUBLE_EQ(median_absolute_deviation(std::vector<double>{3, 3, 3, 9}), 0.0);
}

// The values are those of scipy.stats.spearmanr.
TEST(RankCorrelation, AsScipyHasItTiesIncluded) {
  using List = std::vector<double>;
  EXPECT_NEAR(rank_correlation(List{3, 1, 4, 1, 5, 9, 2, 6}, List{2, 7, 1, 8, 2, 8, 1, 8}),
              0.19885368120992467, 1e-15);
  EXPECT_NEAR(rank_correlation(List{1, 2, 3, 4, 5}, List{2, 1, 4, 3, 5}), 0.8, 1e-15);
  // Any rising function of one of them changes nothing; a falling one changes the sign.
  EXPECT_EQ(rank_correlation(List{1, 2, 3}, List{0.1, 5, 1e9}), 1.0);
  EXPECT_EQ(rank_correlation(List{1, 2, 3}, List{8, 0, -3}), -1.0);
  EXPECT_TRUE(std::isnan(rank_correlation(List{1, 2, 3}, List{4, 4, 4})));
  EXPECT_TRUE(std::isnan(rank_correlation(List{1, 2}, List{3, 4})));
  EXPECT_THROW((void)rank_correlation(List{1, 2, std::nan("")}, List{1, 2, 3}), std::logic_error);
}

TEST(Quantile, RefusesEmptyAndNan) {
  EXPECT_THROW((void)quantile(std::vector<double>{}, 0.5), std::logic_error);
  EXPECT_THROW((void)median(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}),
               std::logic_error);
}

TEST(HalfSample, DistinctAndWithTheVarianceOfTheWholeMean) {
  const std::size_t n = 10;
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 0.0);
  const double variance = 55.0 / 6.0;  // of 0..9, divisor n - 1
  Philox rng({.seed = 3});
  double sum = 0.0;
  const int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    const auto half = half_sample(n, rng);
    EXPECT_EQ(std::set<std::uint32_t>(half.begin(), half.end()).size(), n / 2);
    double mean = 0.0;
    for (const auto k : half) mean += x[k] / 5.0;
    sum += (mean - 4.5) * (mean - 4.5);
  }
  EXPECT_NEAR(sum / draws, variance / n, 0.03 * variance / n);
  EXPECT_EQ(half_sample(7, rng).size(), 3u);
}

TEST(Ar1, LikelihoodEqualsTheDenseGaussian) {
  // The maximised log likelihood beats, and equals at its own rho, the one written with the full
  // covariance: determinant (1 - rho^2)^-(1) s^2n, tridiagonal inverse.
  const std::vector<double> r = {0.5, 0.9, 1.4, 0.8, -0.2, -0.7, -0.1, 0.6};
  Matrix values(r.size(), 1), zero(r.size(), 1);
  values.data = r;
  const auto sums = residual_sums(values, zero);
  const auto n = static_cast<double>(r.size());
  const auto dense = [&](double rho) {
    double q = (1.0 - rho * rho) * r[0] * r[0];
    for (std::size_t t = 1; t < r.size(); ++t) q += std::pow(r[t] - rho * r[t - 1], 2);
    return -0.5 * n * std::log(q / n) + 0.5 * std::log(1.0 - rho * rho);
  };
  double best = -1e300, best_rho = 0.0;
  for (double rho = -0.97; rho < 0.975; rho += 1e-4) {
    if (dense(rho) > best) {
      best = dense(rho);
      best_rho = rho;
    }
  }
  EXPECT_NEAR(fit_ar1(sums, r.size()).rho, best_rho, 2e-4);
  EXPECT_NEAR(ar1_log_likelihood(sums, r.size(), 1.0, 0.0), best, 1e-6);
}

TEST(Ar1, PathsHaveTheMomentsAskedFor) {
  const double rho = 0.7;
  const std::vector<double> sd = {1.0, 3.0};
  Philox rng({.seed = 5});
  Matrix noise(6, 2);
  double first = 0.0, last = 0.0, lag = 0.0, cross = 0.0;
  const int draws = 40000;
  for (int i = 0; i < draws; ++i) {
    fill_ar1(noise, rho, sd, rng);
    first += noise(0, 0) * noise(0, 0);
    last += noise(5, 1) * noise(5, 1);
    lag += noise(3, 0) * noise(2, 0);
    cross += noise(3, 0) * noise(3, 1);
  }
  EXPECT_NEAR(first / draws, 1.0, 0.03);
  EXPECT_NEAR(last / draws, 9.0, 0.3);
  EXPECT_NEAR(lag / draws, rho, 0.03);
  EXPECT_NEAR(cross / draws, 0.0, 0.08);
}

TEST(Ar1, AlternatingResidualsCountAsWhite) {
  Matrix values(6, 1), zero(6, 1);
  values.data = {1, -1, 1, -1, 1, -1};
  const auto fit = fit_ar1(residual_sums(values, zero), 6);
  EXPECT_EQ(fit.rho, 0.0);
  EXPECT_EQ(fit.innovation_sum, 6.0);
}

TEST(Ar1, AnExactFitStaysFinite) {
  const Matrix zero(5, 2);
  const auto sums = residual_sums(zero, zero);
  EXPECT_EQ(fit_ar1(sums, 5).rho, 0.0);
  EXPECT_NEAR(ar1_log_likelihood(sums, 5, 2.0, 1e-3), -5.0 * std::log(1e-4), 1e-12);
}

TEST(Ar1, WalksStartAtZeroAndSpreadWithTheRootOfTime) {
  Philox rng({.seed = 9});
  Matrix walk(10, 1);
  double last = 0.0;
  for (int i = 0; i < 20000; ++i) {
    fill_walk(walk, std::vector<double>{2.0}, rng);
    EXPECT_EQ(walk(0, 0), 0.0);
    last += walk(9, 0) * walk(9, 0) / 20000.0;
  }
  EXPECT_NEAR(last, 9 * 4.0, 1.5);
}

TEST(Ar1, ManyCoordinatesPinRhoDown) {
  Philox rng({.seed = 6});
  Matrix noise(50, 200), zero(50, 200);
  fill_ar1(noise, 0.6, std::vector<double>(200, 2.0), rng);
  EXPECT_NEAR(fit_ar1(residual_sums(noise, zero), 50).rho, 0.6, 0.03);
}

}  // namespace
}  // namespace strata::stats
