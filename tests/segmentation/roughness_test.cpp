// The noise of a profile: scales, correlation, unevenness and surrogates against closed forms and planted
// noise.
#include "strata/segmentation/roughness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "strata/base/philox.h"
#include "strata/segmentation/step_evidence.h"

namespace strata {
namespace {

TEST(Roughness, MonotoneColumnsLeaveNoIncrementAndAStepLeavesItself) {
  Matrix y(16, 2);
  for (std::size_t t = 0; t < 16; ++t) {
    y(t, 0) = -std::exp(-0.5 * static_cast<double>(t));  // relaxation: increments fall all the way
    y(t, 1) = 0.25 * static_cast<double>(t) + (t >= 8 ? 3.0 : 0.0);
  }
  const Matrix left = increments(y, 1);
  ASSERT_EQ(left.rows, 13u);
  for (std::size_t t = 0; t < left.rows; ++t) {
    EXPECT_NEAR(left(t, 0), 0.0, 1e-12) << t;
    EXPECT_NEAR(left(t, 1), t == 6 ? 3.0 : 0.0, 1e-12) << t;
  }
}

TEST(Roughness, ScaleIsThatOfGaussianNoiseAndThreeJumpsDoNotMoveIt) {
  EXPECT_DOUBLE_EQ(robust_quantile(21), 17.0 / 20.0);  // the fourth largest of 21
  EXPECT_DOUBLE_EQ(robust_quantile(5), 0.5);
  EXPECT_DOUBLE_EQ(robust_quantile(100), 0.92);
  Philox rng({.seed = 1, .stream = Stream::test});
  double clean = 0.0, jumped = 0.0;
  for (int i = 0; i < 200; ++i) {
    Matrix residual(27, 1);  // 30 blocks: 22 edges between the start-up and the last
    for (double& x : residual.data) x = 3.0 * rng.normal();
    clean += robust_scale(residual, 30)[0] / 200.0;
    for (const std::size_t t : {8, 14, 20}) residual(t, 0) = 1e6;
    jumped += robust_scale(residual, 30)[0] / 200.0;
  }
  EXPECT_NEAR(clean, 3.0, 0.2);
  EXPECT_LT(jumped, 1.6 * clean);  // then the largest of the others
}

// Layer noise of 28 blocks: correlation `common` of all pairs of p signals.
Matrix common_noise(std::size_t p, double common, std::uint32_t draw) {
  Matrix correlation(p, p);
  for (std::size_t a = 0; a < p; ++a) {
    for (std::size_t b = 0; b < p; ++b) correlation(a, b) = a == b ? 1.0 : common;
  }
  Philox rng({.seed = 3, .stream = Stream::test, .a = draw});
  return layer_noise(28, root_of(correlation), rng);
}

// Mean off-diagonal element of the correlation that surrogates of such noise have.
double surrogate_correlation(std::size_t p, double common, double steps) {
  const StepStatistics statistics(28, std::vector<double>(p, 1.0 / static_cast<double>(p)),
                                  std::vector<Group>(p, Group::output));
  double mean = 0.0;
  for (std::uint32_t draw = 0; draw < 20; ++draw) {
    Matrix y = common_noise(p, common, draw);
    for (std::size_t t = 0; t < y.rows; ++t) {
      for (std::size_t j = 0; j < p; ++j) {
        const double sign = (j + draw) % 2 == 0 ? 1.0 : -1.0;
        y(t, j) += steps * (sign * (t >= 10 ? 1.0 : 0.0) + (t >= 19 ? 1.0 : 0.0));
      }
    }
    const Matrix root = statistics.noise_of(statistics.at(y)).root;
    Matrix found(p, p);
    for (std::size_t a = 0; a < p; ++a) {
      for (std::size_t b = 0; b < p; ++b) {
        for (std::size_t k = 0; k < p; ++k) found(a, b) += root(a, k) * root(b, k);
      }
    }
    for (std::size_t a = 0; a < p; ++a) {
      for (std::size_t b = 0; b < p; ++b)
        mean += a == b ? 0.0 : found(a, b) / static_cast<double>(20 * p * (p - 1));
    }
  }
  return mean;
}

TEST(Roughness, SurrogatesHaveTheCorrelationOfTheNoiseWhateverTheSteps) {
  for (const double steps : {0.0, 15.0}) {
    EXPECT_NEAR(surrogate_correlation(4, 0.7, steps), 0.7, 0.2) << steps;
    EXPECT_NEAR(surrogate_correlation(4, 0.0, steps), 0.0, 0.1) << steps;
    EXPECT_NEAR(surrogate_correlation(10, 0.7, steps), 0.6, 0.2) << steps;
  }
}

TEST(Roughness, UnevenChangesAreNoticedAndThreeStepsAreNot) {
  const StepStatistics statistics(30, std::vector<double>(8, 0.125), std::vector<Group>(8, Group::output));
  int even = 0, stepped = 0, copies = 0;
  for (std::uint32_t draw = 0; draw < 20; ++draw) {
    Philox rng({.seed = 9, .stream = Stream::test, .a = draw});
    Matrix y(30, 8), steps(30, 8), copied(30, 8);
    for (double& x : y.data) x = rng.normal();
    accumulate_rows(y);
    for (std::size_t t = 0; t < 30; ++t) {
      for (std::size_t j = 0; j < 8; ++j) {
        steps(t, j) = y(t, j) + (t >= 8 ? 9.0 : 0.0) - (t >= 15 ? 9.0 : 0.0) + (t >= 22 ? 9.0 : 0.0);
        copied(t, j) = y(t / 3 * 3, j) + 0.05 * rng.normal();
      }
    }
    even += statistics.noise_of(statistics.at(y)).uneven > 0.0 ? 1 : 0;
    stepped += statistics.noise_of(statistics.at(steps)).uneven > 0.0 ? 1 : 0;
    copies += statistics.noise_of(statistics.at(copied)).uneven > 0.0 ? 1 : 0;
  }
  EXPECT_LE(even, 6);
  EXPECT_LE(stepped, 8);
  EXPECT_GE(copies, 18);
}

TEST(Roughness, LayerNoiseIsAWalkWithTheGivenCorrelationAndHeavyTails) {
  Philox rng({.seed = 3, .stream = Stream::test});
  Matrix correlation(2, 2);
  correlation(0, 0) = correlation(1, 1) = 1.0;
  correlation(0, 1) = correlation(1, 0) = 0.6;
  const Matrix walk = layer_noise(60000, root_of(correlation), rng);
  double cross = 0.0, first = 0.0, second = 0.0, fourth = 0.0, lag = 0.0;
  for (std::size_t t = 2; t < walk.rows; ++t) {
    const double a = walk(t, 0) - walk(t - 1, 0), b = walk(t, 1) - walk(t - 1, 1);
    cross += a * b;
    first += a * a;
    second += b * b;
    fourth += std::pow(a, 4);
    lag += a * (walk(t - 1, 0) - walk(t - 2, 0));
  }
  const double count = 60000.0;
  EXPECT_NEAR(cross / std::sqrt(first * second), 0.6, 0.03);
  EXPECT_NEAR(lag / first, 0.0, 0.02);
  EXPECT_NEAR(first / count, 1.2, 0.04);  // t with 12 degrees of freedom: 12 / 10
  EXPECT_NEAR(fourth / count / std::pow(first / count, 2), 3.75, 0.3);
}

TEST(Roughness, WhiteningUndoesTheCorrelation) {
  Matrix correlation(3, 3);
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) correlation(a, b) = a == b ? 1.0 : 0.7;
  }
  const Matrix w = whitening_of(correlation, 0.25);
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) {
      double value = 0.0;  // w (0.75 C + 0.25 I) w'
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t k = 0; k < 3; ++k) value += w(a, i) * (i == k ? 1.0 : 0.75 * 0.7) * w(b, k);
      }
      EXPECT_NEAR(value, a == b ? 1.0 : 0.0, 1e-12);
      EXPECT_NEAR(w(a, b), w(b, a), 1e-12);
    }
  }
}

}  // namespace
}  // namespace strata
