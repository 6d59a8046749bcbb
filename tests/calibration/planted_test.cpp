#include "strata/calibration/planted.h"

#include <gtest/gtest.h>

#include <cmath>

namespace strata {
namespace {

// Noise-free heights are the difference of two profiles with the same random numbers and other contrasts.
TEST(Planted, StepsStandWherePlantedAndAreAsHigh) {
  PlantedSpec spec{.n_layers = 10, .edges = {3, 7}, .contrast = 0.0, .seed = 4};
  const Matrix noise = planted_profile(spec, 6, 0);
  spec.contrast = 2.5;
  const Matrix y = planted_profile(spec, 6, 0);
  for (std::size_t j = 0; j < 6; ++j) {
    for (std::size_t t = 1; t < 10; ++t) {
      const double step = (y(t, j) - noise(t, j)) - (y(t - 1, j) - noise(t - 1, j));
      EXPECT_NEAR(std::abs(step), t == 3 || t == 7 ? 2.5 : 0.0, 1e-12) << t;
    }
  }
}

// Sample moments of layer noise over many coordinates: variance 1, lag-one correlation rho, share in common.
TEST(Planted, NoiseHasTheMomentsAskedFor) {
  const auto moments = [](PlantedSpec spec) {
    double square = 0.0, lag = 0.0, cross = 0.0;
    constexpr int kRuns = 400;
    for (int run = 0; run < kRuns; ++run) {
      spec.seed = static_cast<std::uint64_t>(run);
      const Matrix y = planted_profile(spec, 2, 0);
      for (std::size_t t = 1; t < 40; ++t) {
        square += y(t, 0) * y(t, 0) / (39.0 * kRuns);
        lag += y(t, 0) * y(t - 1, 0) / (39.0 * kRuns);
        cross += y(t, 0) * y(t, 1) / (39.0 * kRuns);
      }
    }
    return std::array{square, lag, cross};
  };
  const auto white = moments({.n_layers = 40, .edges = {}});
  EXPECT_NEAR(white[0], 1.0, 0.04);
  EXPECT_NEAR(white[1], 0.0, 0.03);
  EXPECT_NEAR(white[2], 0.0, 0.03);
  const auto slow = moments({.n_layers = 40, .edges = {}, .rho = 0.8});
  EXPECT_NEAR(slow[1] / slow[0], 0.8, 0.03);
  const auto shared = moments({.n_layers = 40, .edges = {}, .common = 0.7});
  EXPECT_NEAR(shared[0], 1.0, 0.04);
  EXPECT_NEAR(shared[2], 0.7, 0.04);
}

TEST(Planted, ShapesSpanThreeContrastsAndAreMonotoneWhereTheySaySo) {
  for (const auto shape : {PlantedShape::linear, PlantedShape::monotone, PlantedShape::logistic}) {
    PlantedSpec spec{.n_layers = 30, .shape = shape, .contrast = 0.0, .seed = 3};
    const Matrix noise = planted_profile(spec, 1, 0);
    spec.contrast = 2.0;
    const Matrix y = planted_profile(spec, 1, 0);
    const double side = y(29, 0) - noise(29, 0) > 0.0 ? 1.0 : -1.0;
    for (std::size_t t = 1; t < 30; ++t) {
      EXPECT_GT(side * ((y(t, 0) - noise(t, 0)) - (y(t - 1, 0) - noise(t - 1, 0))), 0.0) << to_string(shape);
    }
    EXPECT_NEAR(side * (y(29, 0) - noise(29, 0)), 6.0, 0.6) << to_string(shape);
  }
}

TEST(Planted, TheRecordHoldsTheProfile) {
  PlantedSpec spec{.n_layers = 8, .edges = {4}, .document_sigma = 0.0, .documents = 5, .replicates = 3};
  const Trace trace = planted_trace(spec);
  EXPECT_EQ(trace.n_layers(), 8);
  EXPECT_EQ(trace.documents.size(), 5u);
  ASSERT_EQ(trace.series.size(), 5u);  // four signals and a control
  EXPECT_EQ(trace.series[4].group, Group::control);
  const Matrix profile = planted_profile(spec, 4, 0);
  const Series& state = trace.series[1];
  ASSERT_EQ(state.axis, Axis::state);
  for (std::size_t l = 0; l < 8; ++l) EXPECT_NEAR(state.by_doc(2, l + 1), 10.0 + profile(l, 1), 1e-12);
  ASSERT_EQ(trace.cka.size(), 1u);
  EXPECT_EQ(trace.cka[0].value.rows, 9u);
  EXPECT_EQ(trace.cka[0].replicates.size(), 3u);
}

// 1 - CKA of successive states is the planted shift, in half-samples too; it is about 1% in the middle.
TEST(Planted, PublishedShapesHaveTheirShiftInTheCkaMatrix) {
  PlantedSpec spec{.n_layers = 28,
                   .shape = PlantedShape::published,
                   .edges = {9, 19},
                   .signals = 14,
                   .replicates = 2,
                   .seed = 5,
                   .cka_step = 0.1};
  const Trace trace = planted_trace(spec);
  EXPECT_EQ(trace.series.size(), 14u);
  const Series* shift = find_series(trace, "cka_shift", TokenSet::ordinary);
  ASSERT_NE(shift, nullptr);
  const Matrix& cka = find_cka(trace, TokenSet::ordinary)->value;
  for (std::size_t l = 0; l < 28; ++l) EXPECT_NEAR(1.0 - cka(l, l + 1), shift->joint[l], 1e-12);
  EXPECT_GT(shift->joint[0], 0.2);
  EXPECT_GT(shift->joint[9], 0.1);
  EXPECT_LT(shift->joint[14], 0.06);
  EXPECT_NEAR(joint_replicate(trace, *shift, 1)[14], shift->joint[14], 0.2 * shift->joint[14]);
}

// A step is as high as asked in layer sigmas: the noise is the same with and without it.
TEST(Planted, PublishedStepsStandWherePlanted) {
  PlantedSpec spec{.n_layers = 28, .shape = PlantedShape::published, .edges = {9, 19}, .contrast = 3.0};
  spec.document_sigma = 0.0;
  spec.replicates = 0;
  const Trace with = planted_trace(spec);
  spec.contrast = 0.0;
  const Trace without = planted_trace(spec);
  const Series &a = *find_series(with, "attention_distance", TokenSet::ordinary),
               &b = *find_series(without, "attention_distance", TokenSet::ordinary);
  const auto step = [&](std::size_t l) { return a.by_doc(0, l) - b.by_doc(0, l); };
  EXPECT_NEAR(step(8), 0.0, 1e-12);
  EXPECT_NEAR(std::abs(step(9)), 3.0 * 0.03, 1e-12);
  EXPECT_NEAR(std::abs(step(19) - step(18)), 3.0 * 0.03, 1e-12);
}

TEST(Planted, AnOddBlockComesBack) {
  PlantedSpec spec{.n_layers = 28, .shape = PlantedShape::odd_block, .edges = {}, .contrast = 0.0};
  const Matrix noise = planted_profile(spec, 3, 0);
  spec.contrast = 10.0;
  const Matrix y = planted_profile(spec, 3, 0);
  for (std::size_t j = 0; j < 3; ++j) {
    int off = 0;
    for (std::size_t t = 0; t < 28; ++t) off += std::abs(y(t, j) - noise(t, j)) > 1e-9 ? 1 : 0;
    EXPECT_EQ(off, 1);
  }
}

}  // namespace
}  // namespace strata
