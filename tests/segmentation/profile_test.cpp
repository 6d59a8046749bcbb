#include "strata/segmentation/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/stats/partition.h"
#include "tests/support/synthetic_trace.h"

namespace strata {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

test::SyntheticSpec two_steps() {
  return {.n_layers = 12, .edges = {4, 8}, .contrast = 6.0, .seed = 4};
}

Series* series_of(Trace& trace, const std::string& id) {
  const auto found =
      std::find_if(trace.series.begin(), trace.series.end(), [&](const Series& s) { return s.id == id; });
  return &*found;
}

TEST(Limits, MinSegmentAndMaxJumps) {
  // L: 4, 12, 16, 32, 80 by hand from max(2, ceil(0.06 L)) and min(6, floor(L / min) - 1).
  EXPECT_EQ(min_segment(4), 2);
  EXPECT_EQ(min_segment(33), 2);
  EXPECT_EQ(min_segment(34), 3);
  EXPECT_EQ(min_segment(80), 5);
  EXPECT_EQ(max_jumps(3), 0);
  EXPECT_EQ(max_jumps(4), 1);
  EXPECT_EQ(max_jumps(12), 5);
  EXPECT_EQ(max_jumps(80), 6);
}

TEST(KernelProfile, ReproducesTheDistancesOfTheCkaMatrixOfBlockOutputs) {
  const Trace trace = test::synthetic_trace(two_steps());
  const Profile profile = kernel_profile(trace, TokenSet::ordinary);
  ASSERT_EQ(profile.undefined, "");
  ASSERT_EQ(profile.y.rows, 12u);
  const Matrix& cka = trace.cka[0].value;
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 12; ++j) {
      double square = 0.0;
      for (std::size_t k = 0; k < profile.y.cols; ++k)
        square += std::pow(profile.y(i, k) - profile.y(j, k), 2);
      // Row l is state l + 1; the coordinates dropped are below a millionth of the largest eigenvalue.
      EXPECT_NEAR(square, cka(i + 1, i + 1) + cka(j + 1, j + 1) - 2.0 * cka(i + 1, j + 1), 1e-4);
    }
  }
  EXPECT_EQ(profile.deviations.size(), trace.cka[0].replicates.size());
}

TEST(KernelProfile, AReplicateEqualToTheWholeDoesNotDeviate) {
  Trace trace = test::synthetic_trace(two_steps());
  trace.cka[0].replicates = {trace.cka[0].value, Matrix{}};
  const Profile profile = kernel_profile(trace, TokenSet::ordinary);
  ASSERT_EQ(profile.deviations.size(), 1u);
  // Only the column means were taken out of y.
  for (std::size_t j = 0; j < profile.y.cols; ++j) {
    for (std::size_t t = 0; t < 12; ++t) EXPECT_NEAR(profile.deviations[0](t, j), 0.0, 1e-9);
  }
  EXPECT_NE(profile.note.find("1 of the CKA replicates"), std::string::npos);
}

TEST(KernelProfile, UndefinedInputsSayWhy) {
  const auto why = [](const auto& change) {
    Trace trace = test::synthetic_trace(two_steps());
    change(trace);
    return kernel_profile(trace, TokenSet::ordinary).undefined;
  };
  EXPECT_NE(why([](Trace& t) { t.cka.clear(); }).find("no CKA matrix"), std::string::npos);
  EXPECT_EQ(why([](Trace& t) {
              t.cka[0] = {.tokens = TokenSet::ordinary, .value = {}, .replicates = {}, .note = "x y"};
            }),
            "no CKA matrix: x y");
  EXPECT_NE(why([](Trace& t) { t.cka[0].value = Matrix(3, 3, 1.0); }).find("3 x 3 instead of 13 x 13"),
            std::string::npos);
  EXPECT_NE(why([](Trace& t) { t.cka[0].value(2, 3) = kNan; }).find("undefined entries"), std::string::npos);
  EXPECT_NE(why([](Trace& t) { t.cka[0].value = Matrix(13, 13, 1.0); }).find("same value"),
            std::string::npos);
}

TEST(FusedProfile, GroupsWeighTheSame) {
  test::SyntheticSpec spec = two_steps();
  spec.signals = 5;  // two attention signals, one in each other group
  spec.document_sigma = 0.0;
  const Trace trace = test::synthetic_trace(spec);
  const Profile profile = fused_profile(trace, TokenSet::ordinary, 1, 10);
  ASSERT_EQ(profile.used.size(), 5u);
  EXPECT_EQ(profile.used[0], "attention_distance");
  EXPECT_EQ(profile.used[4], "attention_entropy");
  // Undo the weight: the median absolute deviation is then 1 for each.
  for (std::size_t j = 0; j < 5; ++j) {
    const double weight = j == 0 || j == 4 ? 0.5 : 1.0;
    std::vector<double> column;
    for (std::size_t t = 0; t < 12; ++t) column.push_back(profile.y(t, j) / std::sqrt(weight));
    std::sort(column.begin(), column.end());
    const double centre = 0.5 * (column[5] + column[6]);
    for (double& x : column) x = std::abs(x - centre);
    std::sort(column.begin(), column.end());
    EXPECT_NEAR(0.5 * (column[5] + column[6]), 1.0, 1e-12);
  }
}

TEST(FusedProfile, DecorrelationKeepsDistancesAndSplitsSharedNoise) {
  test::SyntheticSpec spec{.n_layers = 80, .edges = {}, .document_sigma = 0.1, .common = 0.9};
  const Profile before = fused_profile(test::synthetic_trace(spec), TokenSet::ordinary, 1, 4);
  Profile after = before;
  decorrelate(after);
  const Matrix gram_before = stats::gram_matrix(before.y), gram_after = stats::gram_matrix(after.y);
  for (std::size_t i = 0; i < gram_before.data.size(); ++i) {
    EXPECT_NEAR(gram_before.data[i], gram_after.data[i], 1e-9);
  }
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      double product = 0.0;
      for (std::size_t t = 2; t < 80; ++t) {
        const auto bend = [&](std::size_t j) {
          return after.y(t, j) - 2 * after.y(t - 1, j) + after.y(t - 2, j);
        };
        product += bend(a) * bend(b);
      }
      EXPECT_NEAR(product, 0.0, 1e-8);
    }
  }
  EXPECT_LT(before.dimension, 1.6);  // four signals, nearly one noise
  spec.common = 0.0;
  EXPECT_GT(fused_profile(test::synthetic_trace(spec), TokenSet::ordinary, 1, 4).dimension, 2.5);
}

TEST(FusedProfile, SignalsThatCannotBeUsedAreLeftOutWithTheReason) {
  Trace trace = test::synthetic_trace(two_steps());
  series_of(trace, "attention_distance")->by_doc.data.assign(16 * 12, 1.0);
  Series* entropy = series_of(trace, "matrix_entropy");
  for (std::size_t d = 0; d < 16; ++d) entropy->by_doc(d, 6) = kNan;
  entropy->note = "windows too short";
  const Profile profile = fused_profile(trace, TokenSet::ordinary, 1, 10);
  EXPECT_EQ(profile.used, (std::vector<std::string>{"angular_step", "lens_entropy"}));
  EXPECT_EQ(profile.left_out,
            (std::vector<std::string>{"attention_distance: MAD is 0",
                                      "matrix_entropy: undefined at some block (windows too short)"}));
}

TEST(FusedProfile, StateZeroIsNoBlockOutput) {
  Trace trace = test::synthetic_trace(two_steps());
  const Profile before = fused_profile(trace, TokenSet::ordinary, 1, 4);
  for (std::size_t d = 0; d < 16; ++d) series_of(trace, "matrix_entropy")->by_doc(d, 0) = kNan;
  EXPECT_EQ(fused_profile(trace, TokenSet::ordinary, 1, 4).y, before.y);
}

TEST(FusedProfile, DocumentWithoutValuesIsLeftOutOfTheMean) {
  Trace trace = test::synthetic_trace(two_steps());
  Series* step = series_of(trace, "angular_step");
  Trace without = trace;
  for (std::size_t l = 0; l < 12; ++l) {
    step->by_doc(3, l) = kNan;
    series_of(without, "angular_step")->by_doc(3, l) = 1e9;
  }
  series_of(without, "angular_step")->weight[3] = 0.0;
  EXPECT_EQ(fused_profile(trace, TokenSet::ordinary, 1, 4).y,
            fused_profile(without, TokenSet::ordinary, 1, 4).y);
}

TEST(FusedProfile, DeviationsHaveTheSamplingVarianceOfTheMean) {
  // Documents differ by noise of variance s^2 in each layer, so the deviations have variance s^2 / n
  // in units of the signal; n = 16 documents, s = 2.
  test::SyntheticSpec spec = two_steps();
  spec.document_sigma = 2.0;
  spec.n_layers = 80;
  spec.edges = {};
  const Trace trace = test::synthetic_trace(spec);
  const Profile profile = fused_profile(trace, TokenSet::ordinary, 1, 200);
  ASSERT_EQ(profile.deviations.size(), 200u);
  double deviation = 0.0, spread = 0.0;
  for (const Matrix& m : profile.deviations) {
    for (const double x : m.data) deviation += x * x / 200.0;
  }
  for (const double x : profile.y.data) spread += x * x;
  // White profile: layer variance 1 plus document variance 4 / 16.
  EXPECT_NEAR(deviation / spread, 0.25 / 1.25, 0.03);
}

TEST(FusedProfile, FewDocumentsAreSaid) {
  test::SyntheticSpec spec = two_steps();
  spec.documents = 3;
  const Profile three = fused_profile(test::synthetic_trace(spec), TokenSet::ordinary, 1, 10);
  EXPECT_TRUE(three.deviations.empty());
  EXPECT_NE(three.note.find("fewer than 4 documents"), std::string::npos);
  spec.documents = 6;
  const Profile six = fused_profile(test::synthetic_trace(spec), TokenSet::ordinary, 1, 10);
  EXPECT_EQ(six.deviations.size(), 10u);
  EXPECT_NE(six.note.find("fewer than 8 documents"), std::string::npos);
}

// A joint series (cka_shift) has no rows per document: its value is fused as it is, and its deviations come
// from the CKA replicates of the same half-samples.
TEST(FusedProfile, JointSeriesUsesItsReplicates) {
  Trace trace = test::synthetic_trace(two_steps());
  const CkaRecord* cka = find_cka(trace, TokenSet::ordinary);
  ASSERT_NE(cka, nullptr);
  ASSERT_GE(cka->replicates.size(), 4u);
  trace.series.clear();
  const auto layers = static_cast<std::size_t>(trace.n_layers());
  Series shift{.id = "cka_shift", .axis = Axis::block, .group = Group::representation};
  shift.by_doc = Matrix(trace.documents.size(), layers, std::nan(""));
  shift.weight.assign(trace.documents.size(), 0.0);
  for (std::size_t l = 0; l < layers; ++l) shift.joint.push_back(1.0 - cka->value(l, l + 1));
  trace.series.push_back(shift);
  const Profile profile = fused_profile(trace, TokenSet::ordinary, 1, 4);
  ASSERT_EQ(profile.used, std::vector<std::string>{"cka_shift"});
  ASSERT_EQ(profile.deviations.size(), 4u);
  const double scale = (profile.y(1, 0) - profile.y(0, 0)) / (shift.joint[1] - shift.joint[0]);
  for (std::size_t r = 0; r < 4; ++r) {
    const Matrix& replicate = cka->replicates[r];
    for (std::size_t l = 0; l < layers; ++l) {
      const double expected = (1.0 - replicate(l, l + 1) - shift.joint[l]) * scale;
      EXPECT_NEAR(profile.deviations[r](l, 0), expected, 1e-9 * (1.0 + std::abs(expected))) << r << " " << l;
    }
  }
  trace.cka.clear();
  const Profile fixed = fused_profile(trace, TokenSet::ordinary, 1, 4);
  EXPECT_NE(fixed.note.find("cka_shift is undefined in some half-samples"), std::string::npos);
}

}  // namespace
}  // namespace strata
