// Normal scores of principal components, and the information of two sets of them.
#include "strata/signals/copula_mi.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/signals/correlated_rows.h"

namespace strata {
namespace {

using test::correlated;
using test::mean_of;
using test::moved;
using test::Pair;
using test::plug_in;
using test::rounded;

TEST(CopulaMi, MeanOfPointwiseInformationIsThePlugInEstimate) {
  // One pair of columns: the canonical correlation is the correlation of the normal scores.
  const Pair pair = correlated(
      500, 1, [](std::size_t) { return 0.7; }, 1);
  const CopulaScores x = copula_scores(rounded(pair.x), 4), y = copula_scores(rounded(pair.y), 4);
  double product = 0.0;
  for (std::int64_t i = 0; i < 500; ++i) product += x.white.data.data()[i] * y.white.data.data()[i];
  const double rho = product / 500;
  EXPECT_NEAR(mean_of(pointwise_information(x.white, y.white)), -0.5 * std::log(1 - rho * rho), 1e-12);
  EXPECT_NEAR(rho, 0.7, 0.07);
}

// The same data: only the rounding of its float32 rows is left between a basis and its rotation. It swaps
// ranks of neighbours.
TEST(CopulaMi, RotationShiftAndScaleChangeNothing) {
  const Pair pair = correlated(
      1000, 12, [](std::size_t k) { return 0.8 / static_cast<double>(k + 1); }, 6);
  EXPECT_NEAR(plug_in(pair.x, pair.y), plug_in(moved(pair.x, 1e3, 7), moved(pair.y, 1.0, 8)), 1e-5);
}

// Equal tokens have equal embeddings: ties share their rank, whatever the order of the rows.
TEST(CopulaMi, TiesShareTheirRank) {
  Matrix x(60, 1);
  for (std::size_t i = 0; i < 60; ++i) x(i, 0) = static_cast<double>(i % 3);
  const CopulaScores scores = copula_scores(rounded(x), 1);
  const double* white = scores.white.data.data();
  for (std::size_t i = 3; i < 60; ++i) EXPECT_EQ(white[i], white[i % 3]);
  EXPECT_NEAR(std::fabs(white[0]), std::sqrt(1.5), 1e-12);  // three equal groups, the middle one at 0
  EXPECT_NEAR(white[1], 0.0, 1e-12);
  EXPECT_NEAR(white[0] + white[2], 0.0, 1e-12);
}

// More columns than rows: the n x n route must find the same components as the d x d one.
TEST(CopulaMi, WideRowsGiveTheSameScores) {
  Pair pair = correlated(
      80, 60, [](std::size_t) { return 0.5; }, 19);
  Matrix wide_x(80, 200), wide_y(80, 200);  // the same columns, spread over more with zeros between
  for (std::size_t i = 0; i < 80; ++i) {
    for (std::size_t k = 0; k < 60; ++k) {
      wide_x(i, 3 * k) = pair.x(i, k);
      wide_y(i, 3 * k + 1) = pair.y(i, k);
    }
  }
  EXPECT_NEAR(plug_in(pair.x, pair.y, 8), plug_in(wide_x, wide_y, 8), 1e-8);
  const CopulaScores narrow = copula_scores(rounded(pair.x), 8), wide = copula_scores(rounded(wide_x), 8);
  for (std::size_t i = 0; i < 80; ++i) {
    EXPECT_NEAR(narrow.captured[i], wide.captured[i], 1e-9);
    EXPECT_NEAR(narrow.variance[i], wide.variance[i], 1e-9);
    EXPECT_LE(wide.captured[i], wide.variance[i] + 1e-9);
  }
}

}  // namespace
}  // namespace strata
