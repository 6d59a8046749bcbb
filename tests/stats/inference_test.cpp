// Permutations over labels, regressions, and distributions of variances, against closed forms and simulation.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "strata/base/philox.h"
#include "strata/stats/labelings.h"
#include "strata/stats/least_squares.h"
#include "strata/stats/variance_ratio.h"

namespace strata::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(VarianceRatio, ClosedForms) {
  for (const double x : {0.1, 1.0, 3.0, 20.0}) {
    EXPECT_NEAR(chi_square_cdf(x, 2), 1.0 - std::exp(-0.5 * x), 1e-13);
    EXPECT_NEAR(chi_square_cdf(x, 1), std::erf(std::sqrt(0.5 * x)), 1e-13);
    EXPECT_NEAR(chi_square_cdf(x, 4), 1.0 - std::exp(-0.5 * x) * (1.0 + 0.5 * x), 1e-13);
    for (const double d : {1.0, 5.0, 40.0}) {
      EXPECT_NEAR(fisher_cdf(x, 2, d), 1.0 - std::pow(1.0 + 2.0 * x / d, -0.5 * d), 1e-12);
    }
  }
  for (const double p : {0.05, 0.5, 0.95}) {
    EXPECT_NEAR(chi_square_quantile(p, 2), -2.0 * std::log1p(-p), 1e-9);
    EXPECT_NEAR(fisher_cdf(fisher_quantile(p, 3, 7), 3, 7), p, 1e-10);
  }
  // NIST/SEMATECH e-Handbook, 1.3.6.7.3 and 1.3.6.7.4.
  EXPECT_NEAR(fisher_quantile(0.95, 3, 10), 3.708, 5e-4);
  EXPECT_NEAR(chi_square_quantile(0.95, 10), 18.307, 5e-4);
}

TEST(VarianceRatio, NoncentralFisherAgainstSimulation) {
  Philox rng({.seed = 1, .stream = Stream::test});
  constexpr int kDraws = 20000;
  const double lambda = 5.0, f = 2.5;
  int below = 0;
  for (int i = 0; i < kDraws; ++i) {
    double above = std::pow(rng.normal() + std::sqrt(lambda), 2) + std::pow(rng.normal(), 2), under = 0.0;
    for (int j = 0; j < 6; ++j) under += std::pow(rng.normal(), 2);
    if (above / 2.0 <= f * under / 6.0) ++below;
  }
  const double p = noncentral_fisher_cdf(f, 2, 6, lambda);
  EXPECT_NEAR(static_cast<double>(below) / kDraws, p, 4.0 * std::sqrt(p * (1.0 - p) / kDraws));
  EXPECT_NEAR(noncentral_fisher_cdf(1.7, 3, 9, 0.0), fisher_cdf(1.7, 3, 9), 1e-12);
}

// The intervals hold the truth in 90% of samples.
TEST(VarianceRatio, IntervalsCover) {
  Philox rng({.seed = 2, .stream = Stream::test});
  constexpr int kTrials = 1000, kModels = 8;
  int sd = 0, ratio = 0, share = 0;
  for (int t = 0; t < kTrials; ++t) {
    std::vector<double> y(kModels), group(kModels);
    double variance[2] = {0.0, 0.0};
    for (int i = 0; i < kModels; ++i) {
      const double e = rng.normal();
      variance[i % 2] += e * e / 4.0;  // mean known: 4 degrees of freedom each
      group[static_cast<std::size_t>(i)] = i < kModels / 2 ? 0.0 : 1.0;
      y[static_cast<std::size_t>(i)] = 2.0 * group[static_cast<std::size_t>(i)] + rng.normal();
    }
    const Range s = sd_interval_90(std::sqrt(variance[0]), 4);
    sd += s.lo <= 1.0 && 1.0 <= s.hi;
    const Range r = ln_sd_ratio_interval_90(0.5 * std::log(variance[0] / variance[1]), 4, 4);
    ratio += r.lo <= 0.0 && 0.0 <= r.hi;
    const double total = regress(y, {}).sse, left = regress(y, {group}).sse;
    // Four and four, 2 apart: noncentrality 8 * (1/2)(1/2) * 4 = 8, so R^2 of the population is 8 / (8 + 8).
    const Range p = partial_r2_interval_90(1.0 - left / total, 1, kModels - 2);
    share += p.lo <= 0.5 && 0.5 <= p.hi;
  }
  for (const int hits : {sd, ratio, share}) EXPECT_NEAR(hits, 900, 40);
}

TEST(Labelings, CountsAndExactPermutations) {
  EXPECT_EQ(labelings(8, 4), 70);
  EXPECT_EQ(labelings(10, 0), 1);
  EXPECT_EQ(labelings(200, 100), std::numeric_limits<std::int64_t>::max());
  Philox rng({.seed = 3, .stream = Stream::test});
  const std::vector<double> y{9, 8, 7, 6, 1, 2, 3, 4};
  const auto sum = [&](const std::vector<bool>& first) {
    double total = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) total += first[i] ? y[i] : -y[i];
    return total;
  };
  const std::vector<bool> observed{true, true, true, true, false, false, false, false};
  const auto one_sided = permute_labels(observed, sum, 9999, false, rng);
  EXPECT_EQ(one_sided.tried, 70);
  EXPECT_DOUBLE_EQ(one_sided.p_value, 1.0 / 70.0);
  EXPECT_DOUBLE_EQ(one_sided.smallest_p, 1.0 / 70.0);
  const auto two_sided = permute_labels(
      observed, [&](const std::vector<bool>& first) { return std::fabs(sum(first)); }, 9999, true, rng);
  EXPECT_DOUBLE_EQ(two_sided.p_value, 2.0 / 70.0);
  EXPECT_DOUBLE_EQ(two_sided.smallest_p, 2.0 / 70.0);
}

TEST(Labelings, SampledPermutationsAgreeWithAllOfThem) {
  Philox rng({.seed = 4, .stream = Stream::test});
  std::vector<double> y(14);
  for (double& x : y) x = rng.normal();
  std::vector<bool> observed(14, false);
  for (const std::size_t i : {1u, 3u, 4u, 8u, 9u, 12u, 13u}) observed[i] = true;
  const auto sum = [&](const std::vector<bool>& first) {
    double total = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) total += first[i] ? y[i] : 0.0;
    return total;
  };
  const auto all = permute_labels(observed, sum, 9999, false, rng);
  const auto some = permute_labels(observed, sum, 2000, false, rng);
  EXPECT_TRUE(all.exhaustive);
  EXPECT_FALSE(some.exhaustive);
  EXPECT_NEAR(some.p_value, all.p_value, 4.0 * std::sqrt(all.p_value * (1.0 - all.p_value) / 2000.0));
}

TEST(Holm, StepsDownAndSkipsWhatIsMissing) {
  const std::vector<double> p{0.01, 0.04, kNaN, 0.03, 0.5};
  const auto adjusted = holm(p);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.04);
  EXPECT_DOUBLE_EQ(adjusted[3], 0.09);
  EXPECT_DOUBLE_EQ(adjusted[1], 0.09);  // never below the one before it
  EXPECT_DOUBLE_EQ(adjusted[4], 0.5);
  EXPECT_TRUE(std::isnan(adjusted[2]));
}

TEST(LeastSquares, RecoversWhatWasPutIn) {
  const Column a{1, 2, 3, 4, 5}, twice{2, 4, 6, 8, 10}, b{1, 0, 0, 1, 0};
  const std::vector<double> y{3, 1, 4, 1, 5};
  const Regression with = regress(y, {a, b});
  EXPECT_EQ(with.rank, 3);
  EXPECT_EQ(regress(y, {a, twice, b}).rank, 3);
  EXPECT_NEAR(regress(y, {a, twice, b}).sse, with.sse, 1e-12);
  // Normal equations, solved by hand: y on 1 and a has slope 0.4, mean 2.8.
  EXPECT_NEAR(regress(y, {a}).sse, 12.8 - 0.4 * 0.4 * 10.0, 1e-12);
  for (const Column& column : {a, b}) {
    double product = 0.0;
    for (std::size_t i = 0; i < 5; ++i) product += column[i] * with.residual[i];
    EXPECT_NEAR(product, 0.0, 1e-12);
  }
}

TEST(LeastSquares, QuadraticsVanish) {
  std::vector<double> y;
  for (int i = 0; i < 9; ++i) y.push_back(2.0 - 3.0 * i + 0.5 * i * i);
  y[4] = kNaN;
  const auto residual = remove_quadratic(y);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (i == 4) {
      EXPECT_TRUE(std::isnan(residual[i]));
    } else {
      EXPECT_NEAR(residual[i], 0.0, 1e-11);
    }
  }
  EXPECT_TRUE(std::isnan(remove_quadratic({y.data(), 3})[0]));
}

}  // namespace
}  // namespace strata::stats
