// curvature on paths whose turns are known.
#include "strata/signals/curvature.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "strata/signals/token_math.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

Trace curvature_of(const World& world) {
  const SweepContext context = world.context();
  return drive(world, context, curvature_signal());
}

TEST(TurningAngle, KnownTurns) {
  const auto turn = [](std::vector<float> a, std::vector<float> b, std::vector<float> c) {
    return turning_angle(a.data(), b.data(), c.data(), static_cast<std::int64_t>(a.size()));
  };
  EXPECT_EQ(turn({0, 0}, {1, 2}, {3, 6}), 0.0);
  EXPECT_NEAR(turn({0, 0}, {1, 0}, {1, 5}), 0.5, 1e-15);
  EXPECT_NEAR(turn({0, 0}, {2, 0}, {1, 0}), 1.0, 1e-15);
  EXPECT_NEAR(turn({0, 0}, {1, 0}, {2, 1}), 0.25, 1e-15);
  EXPECT_NEAR(turn({0, 0}, {1, 0}, {2, 1e-7f}), 1e-7 / std::numbers::pi, 1e-14);  // arccos would give 0
  EXPECT_TRUE(std::isnan(turn({1, 1}, {1, 1}, {2, 2})));
  EXPECT_TRUE(std::isnan(turn({1, 1}, {2, 2}, {2, 2})));
}

TEST(TurningAngle, OfDirections) {
  const auto turn = [](std::vector<float> a, std::vector<float> b, std::vector<float> c) {
    return turning_angle_of_directions(a.data(), b.data(), c.data(), static_cast<std::int64_t>(a.size()));
  };
  // Three points of the unit circle at 0, x and 2x: the chord turns by x, whatever their sizes.
  const auto at = [](double angle, double size) {
    return std::vector{static_cast<float>(size * std::cos(angle)),
                       static_cast<float>(size * std::sin(angle))};
  };
  EXPECT_NEAR(turn(at(0, 1), at(0.3, 50), at(0.6, 0.01)), 0.3 / std::numbers::pi, 1e-6);
  EXPECT_NEAR(turn(at(0, 3), at(0.3, 1), at(0, 9)), 1.0, 1e-6);
  EXPECT_TRUE(std::isnan(turn({1, 2}, {3, 6}, {0, 1})));  // no step but that of rounding
  EXPECT_TRUE(std::isnan(turn({1, 2}, {0, 0}, {0, 1})));
  EXPECT_TRUE(std::isnan(turn({0, 0}, {0, 1}, {1, 1})));
}

TEST(Curvature, OfDirectionsDividesEveryTokenByItsRms) {
  World world(1, 12, {{80}});
  world.fill_normal(3);
  for (std::int64_t t = 0; t < 80; ++t) {
    const auto from = world.row(0, t);
    const double square = std::inner_product(from.begin(), from.end(), from.begin(), 0.0);
    for (std::size_t k = 0; k < 12; ++k) {
      world.row(1, t)[k] = from[k] / static_cast<float>(std::sqrt(square / 12));
      world.row(0, t)[k] *= static_cast<float>(1 + t % 5);
    }
  }
  const Trace trace = curvature_of(world);
  const Series& primary = series(trace, "curvature", TokenSet::all);
  const Series& raw = series(trace, "curvature_raw", TokenSet::all);
  EXPECT_NEAR(primary.by_doc(0, 0), raw.by_doc(0, 1), 1e-6);
  EXPECT_NEAR(primary.by_doc(0, 0), primary.by_doc(0, 1), 1e-6);
  EXPECT_GT(std::fabs(raw.by_doc(0, 0) - primary.by_doc(0, 0)), 0.005);
}

TEST(Curvature, LinesCirclesAndZigzags) {
  World world(2, 3, {{80}, {70}});
  for (std::int64_t t = 0; t < 150; ++t) {
    const auto x = static_cast<float>(t);
    world.set(0, t, {100.0f + x * 0.5f, -x, 3.0f});  // exact in float32
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(t) / 24.0;
    world.set(1, t, {static_cast<float>(9 * std::cos(angle)), static_cast<float>(9 * std::sin(angle)), 1.0f});
    world.set(2, t, {t % 2 == 0 ? 1.0f : 2.0f, 5.0f, 0.0f});
  }
  const Trace trace = curvature_of(world);
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const Series& curvature = series(trace, "curvature_raw", set);
    for (std::size_t d = 0; d < 2; ++d) {
      EXPECT_EQ(curvature.by_doc(d, 0), 0.0);
      EXPECT_NEAR(curvature.by_doc(d, 1), 2.0 / 24.0, 1e-6);  // of pi: a turn of 2 pi / 24
      EXPECT_NEAR(curvature.by_doc(d, 2), 1.0, 1e-7);
    }
    // Triples lie within a window; with the sink at position 0 left out there is one less.
    const double left_out = set == TokenSet::all ? 0.0 : 1.0;
    EXPECT_EQ(curvature.weight, (std::vector<double>{78 - left_out, 68 - left_out}));
  }
}

// Steps b - a and c - b of independent points have cosine -1/2 in high dimension.
TEST(Curvature, UnrelatedTokensGiveTwoThirds) {
  World world(1, 1024, {{200}});
  world.fill_normal(1);
  EXPECT_NEAR(series(curvature_of(world), "curvature_raw", TokenSet::all).by_doc(0, 0), 2.0 / 3, 0.005);
}

TEST(Curvature, RotationShiftAndScaleChangeNothing) {
  World world(1, 4, {{90}});
  world.fill_normal(2);
  for (std::int64_t t = 0; t < 90; ++t) {
    const auto h = world.row(0, t);
    world.set(1, t, {8 * h[1] + 4, -8 * h[0], 8 * h[3] - 2, 8 * h[2]});
  }
  const Series curvature = series(curvature_of(world), "curvature_raw", TokenSet::all);
  EXPECT_NEAR(curvature.by_doc(0, 0), curvature.by_doc(0, 1), 1e-6);
}

// A straight walk with one massive token: the three triples that hold it are bent.
TEST(Curvature, OrdinaryLeavesOutTriplesWithASink) {
  World world(1, 2, {{70, 70}});
  for (int state = 0; state <= 1; ++state) {
    for (std::int64_t t = 0; t < 140; ++t) world.set(state, t, {1.0f, static_cast<float>(t) / 128.0f});
  }
  world.set(1, 30, {500.0f, 0.0f});
  const Trace trace = curvature_of(world);
  const Series& ordinary = series(trace, "curvature_raw", TokenSet::ordinary);
  EXPECT_NEAR(ordinary.by_doc(0, 0), 0.0, 1e-6);
  EXPECT_NEAR(ordinary.by_doc(0, 1), 0.0, 1e-6);
  EXPECT_EQ(ordinary.weight[0], 2 * 68.0 - 2 - 3);
  const Series& all = series(trace, "curvature_raw", TokenSet::all);
  EXPECT_NEAR(all.by_doc(0, 1), (0.5 + 1.0 + 0.5) / 136, 1e-4);
  EXPECT_EQ(all.weight[0], 136.0);
}

// Standing still has no direction: the token is left out, never counted as 0.
TEST(Curvature, StepsOfLengthZeroAreLeftOut) {
  World world(1, 2, {{66}});
  for (std::int64_t t = 0; t < 66; ++t) {
    world.set(0, t, {t % 2 == 0 ? 1.0f : 2.0f, 0.0f});
  }
  world.set(0, 31, {1.0f, 0.0f});  // as 30 and 32: the triples about 30, 31 and 32 have no angle
  const Series curvature = series(curvature_of(world), "curvature_raw", TokenSet::all);
  EXPECT_NEAR(curvature.by_doc(0, 0), 1.0, 1e-7);
  EXPECT_EQ(curvature.weight[0], 61.0);
  EXPECT_TRUE(std::isnan(curvature.by_doc(0, 1)));  // state 1 is all ones
}

}  // namespace
}  // namespace strata
