// participation_ratio and effective_rank against closed forms, and against the plain estimate where that
// fails.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"
#include "strata/signals/effective_rank.h"
#include "strata/signals/matrix_entropy.h"
#include "strata/signals/participation_ratio.h"
#include "strata/signals/spectrum.h"
#include "tests/signals/correlated_rows.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

Matrix gram(const Matrix& x) {
  Matrix g(x.rows, x.rows);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.rows; ++j) {
      g(i, j) = std::inner_product(x.row(i).begin(), x.row(i).end(), x.row(j).begin(), 0.0);
    }
  }
  return g;
}

// Rows with independent columns of the given variances.
Matrix normal(std::size_t n, const std::vector<double>& variance, std::uint64_t seed, double offset = 0.0) {
  Philox rng({.seed = seed, .stream = Stream::test});
  Matrix x(n, variance.size());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < x.cols; ++k) x(i, k) = offset + std::sqrt(variance[k]) * rng.normal();
  }
  return x;
}

std::vector<double> powers(std::size_t d, double base) {
  std::vector<double> variance(d);
  for (std::size_t k = 0; k < d; ++k) variance[k] = std::pow(base, static_cast<double>(k));
  return variance;
}

double closed_ratio(const std::vector<double>& variance) {
  double sum = 0.0, square = 0.0;
  for (const double v : variance) {
    sum += v;
    square += v * v;
  }
  return sum * sum / square;
}

double closed_rank(const std::vector<double>& variance) {
  const double sum = std::accumulate(variance.begin(), variance.end(), 0.0);
  double entropy = 0.0;
  for (const double v : variance) entropy -= v / sum * std::log(v / sum);
  return std::exp(entropy);
}

// Eigenvalues of the sample covariance times the rows, from products of columns (effective_rank has those of
// rows).
std::vector<double> sample_spectrum(Matrix x) {
  for (std::size_t k = 0; k < x.cols; ++k) {
    double mean = 0.0;
    for (std::size_t i = 0; i < x.rows; ++i) mean += x(i, k) / static_cast<double>(x.rows);
    for (std::size_t i = 0; i < x.rows; ++i) x(i, k) -= mean;
  }
  std::vector<double> spectrum;
  for (const double v : linalg::symmetric_eigenvalues(linalg::gram_of_columns(x))) {
    if (v > 1e-12) spectrum.push_back(v);
  }
  return spectrum;
}

// +-e_i with weights: a population whose covariance is known exactly.
Matrix cross(const std::vector<double>& size, int copies) {
  Matrix x(2 * size.size() * static_cast<std::size_t>(copies), size.size());
  for (std::size_t i = 0; i < x.rows; ++i) {
    const std::size_t k = i / 2 % size.size();
    x(i, k) = i % 2 == 0 ? size[k] : -size[k];
  }
  return x;
}

TEST(EffectiveRank, ClosedForms) {
  EXPECT_NEAR(effective_rank(gram(cross({1, 1, 1, 1, 1}, 3))), 5.0, 1e-9);
  EXPECT_NEAR(effective_rank(gram(cross({3, 0, 0}, 4))), 1.0, 1e-9);
  EXPECT_NEAR(effective_rank(gram(cross({2, 1}, 4))), closed_rank({4, 1}), 1e-9);
  Matrix simplex(10, 30);  // n points, all equally far apart: n - 1 equal directions
  for (std::size_t i = 0; i < 10; ++i) simplex(i, i) = 2.0;
  EXPECT_NEAR(effective_rank(gram(simplex)), 9.0, 1e-9);
}

TEST(EffectiveRank, MatchesSingularValues) {
  for (const auto& [n, d] : {std::pair<std::size_t, std::size_t>{40, 12}, {12, 40}, {64, 64}}) {
    const Matrix x = normal(n, powers(d, 0.9), 1, 3.0);
    EXPECT_NEAR(effective_rank(gram(x), static_cast<std::size_t>(d)), closed_rank(sample_spectrum(x)), 1e-8)
        << n << " " << d;
    EXPECT_NEAR(effective_rank(gram(x)), closed_rank(sample_spectrum(x)), 1e-8) << n << " " << d;
  }
}

TEST(EffectiveRank, IsLimitedByTheNumberOfRows) {
  const std::vector<double> flat(512, 1.0);
  const double few = effective_rank(gram(normal(64, flat, 2))),
               many = effective_rank(gram(normal(1500, powers(32, 0.8), 3)));
  EXPECT_LE(few, 63.0);
  EXPECT_GT(few, 55.0);
  EXPECT_NEAR(many, closed_rank(powers(32, 0.8)), 0.02 * many);
}

TEST(ParticipationRatio, ClosedFormsOfLargeSamples) {
  for (const double base : {1.0, 0.9, 0.5}) {
    const auto variance = powers(24, base);
    EXPECT_NEAR(participation_ratio(gram(normal(2000, variance, 4))), closed_ratio(variance),
                0.04 * closed_ratio(variance))
        << base;
  }
  EXPECT_NEAR(participation_ratio(gram(cross({3, 0, 0}, 100))), 1.0, 0.01);
}

// Both parts against their definition: means over quadruples of distinct rows.
TEST(ParticipationRatio, IsTheMeanOverQuadruplesOfDistinctRows) {
  const Matrix x = normal(7, powers(3, 0.6), 5, 2.0);
  const auto difference = [&](std::size_t i, std::size_t j, std::size_t k) { return x(i, k) - x(j, k); };
  double numerator = 0.0, denominator = 0.0;
  for (std::size_t a = 0; a < 7; ++a) {
    for (std::size_t b = 0; b < 7; ++b) {
      for (std::size_t c = 0; c < 7; ++c) {
        for (std::size_t e = 0; e < 7; ++e) {
          if (a == b || a == c || a == e || b == c || b == e || c == e) continue;
          double first = 0.0, second = 0.0, product = 0.0;
          for (std::size_t k = 0; k < 3; ++k) {
            first += difference(a, b, k) * difference(a, b, k);
            second += difference(c, e, k) * difference(c, e, k);
            product += difference(a, b, k) * difference(c, e, k);
          }
          numerator += first * second;
          denominator += product * product;
        }
      }
    }
  }
  EXPECT_NEAR(participation_ratio(gram(x)), numerator / denominator, 1e-9 * numerator / denominator);
}

// 64 rows of 512 equal directions: the eigenvalues of the sample say 57.
TEST(ParticipationRatio, FewRowsHaveNoBiasWhereThePlainEstimateHas) {
  for (const auto& variance : {std::vector<double>(512, 1.0), powers(300, 0.98)}) {
    constexpr int kDraws = 40;
    double sum = 0.0, square = 0.0, plain = 0.0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const Matrix x = normal(64, variance, 100 + static_cast<std::uint64_t>(draw));
      const double ratio = participation_ratio(gram(x));
      sum += ratio;
      square += ratio * ratio;
      if (draw == 0) plain = closed_ratio(sample_spectrum(x));
    }
    const double mean = sum / kDraws, error = std::sqrt((square / kDraws - mean * mean) / (kDraws - 1));
    fmt::print("64 rows: {:.1f} +- {:.1f}, closed form {:.1f}, plain {:.1f}\n", mean, error,
               closed_ratio(variance), plain);
    // A ratio of unbiased estimates is biased by its variance: about 1%.
    EXPECT_NEAR(mean, closed_ratio(variance), 4 * error + 0.015 * mean);
    EXPECT_LT(plain, 0.7 * closed_ratio(variance));
  }
}

TEST(Dimensions, RotationShiftAndScaleChangeNothing) {
  const Matrix x = normal(50, powers(20, 0.8), 6);
  const Matrix y = test::moved(x, 300.0, 77, 1000.0);
  EXPECT_NEAR(participation_ratio(gram(x)), participation_ratio(gram(y)), 1e-7);
  EXPECT_NEAR(effective_rank(gram(x)), effective_rank(gram(y)), 1e-7);
}

TEST(Dimensions, EqualRowsAndTooFewAreUndefined) {
  Matrix equal(20, 3, 2.0);
  EXPECT_TRUE(std::isnan(participation_ratio(gram(equal))));
  EXPECT_TRUE(std::isnan(effective_rank(gram(equal))));
  EXPECT_TRUE(std::isnan(participation_ratio(gram(normal(3, {1, 1}, 7)))));
  EXPECT_TRUE(std::isnan(effective_rank(Matrix(1, 1, 1.0))));
  EXPECT_FALSE(std::isnan(participation_ratio(gram(normal(4, {1}, 8)))));
}

Matrix divided(Matrix x) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const auto row = x.row(i);
    const double square = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
    for (double& v : row) v /= std::sqrt(square / static_cast<double>(x.cols));
  }
  return x;
}

TEST(SpectrumSignal, EachSeriesIsItsEstimateOfTheDocumentsRows) {
  World world(1, 12, {{100}, {40, 40}, {31}});
  world.fill_normal(9);
  for (std::int64_t t = 100; t < 180; ++t) world.row(0, t)[0] *= 3.0f;  // not isotropic
  for (std::int64_t t = 100; t < 180; ++t) world.row(1, t)[5] *= 3.0f;
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, spectrum_signal());
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    for (std::size_t state = 0; state < 2; ++state) {
      std::vector<double> flat;
      for (std::int64_t t = 100; t < 180; ++t) {
        if (set == TokenSet::ordinary && (t == 100 || t == 140)) continue;
        const auto row = world.row(static_cast<int>(state), t);
        flat.insert(flat.end(), row.begin(), row.end());
      }
      Matrix x(flat.size() / 12, 12);
      x.data = flat;
      const auto value = [&](const char* id) { return series(trace, id, set).by_doc(1, state); };
      EXPECT_NEAR(value("participation_ratio_raw"), participation_ratio(gram(x)), 1e-8);
      EXPECT_NEAR(value("effective_rank_raw"), effective_rank(gram(x)), 1e-8);
      const Matrix u = divided(x);
      EXPECT_NEAR(value("participation_ratio"), participation_ratio(gram(u)), 1e-8);
      EXPECT_NEAR(value("effective_rank"), effective_rank(gram(u)), 1e-8);
      EXPECT_GT(std::fabs(value("effective_rank") - value("effective_rank_raw")), 0.01);
      EXPECT_TRUE(std::isnan(series(trace, "effective_rank", set).by_doc(2, state)));
    }
    EXPECT_EQ(series(trace, "participation_ratio", set).weight[1], set == TokenSet::all ? 80.0 : 78.0);
  }
  EXPECT_NE(series(trace, "effective_rank", TokenSet::all).note.find("at most N - 1"), std::string::npos);
}

// A row of zeros has no direction; its other states stay in.
TEST(SpectrumSignal, RowsOfZerosAreLeftOutWhereTheyAreZero) {
  World world(1, 12, {{64}});
  world.fill_normal(10);
  const SweepContext context = world.context();
  const Trace before = drive(world, context, spectrum_signal());
  for (float& v : world.row(0, 9)) v = 0.0f;
  const Trace after = drive(world, context, spectrum_signal());
  Matrix x(63, 12);
  for (std::int64_t t = 0, i = 0; t < 64; ++t) {
    if (t == 9) continue;
    const auto row = world.row(0, t);
    std::copy(row.begin(), row.end(), x.row(static_cast<std::size_t>(i++)).begin());
  }
  EXPECT_NEAR(series(after, "effective_rank", TokenSet::all).by_doc(0, 0), effective_rank(gram(divided(x))),
              1e-8);
  EXPECT_EQ(series(after, "effective_rank", TokenSet::all).by_doc(0, 1),
            series(before, "effective_rank", TokenSet::all).by_doc(0, 1));
}

}  // namespace
}  // namespace strata
