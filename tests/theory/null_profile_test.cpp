// Profiles beside a null: medians by hand, and the sentence that follows from them.
#include "strata/theory/null_profile.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/philox.h"

namespace strata {
namespace {

PrimaryCurve curve(const std::string& id, std::vector<double> mean, Axis axis = Axis::block) {
  return {id, axis, std::move(mean)};
}

TEST(NullProfile, MediansByHand) {
  const NullProfile p = null_profile(
      {.kind = kShuffledText,
       .note = "a sample",
       .documents = 3,
       .tokens = 40,
       .model = {curve("a", {0, 1, 2, 10}), curve("b", {9, 1, 2, 3}, Axis::state),
                 curve("constant", {1, 1, 1, 1}), curve("absent", {1, 2, 3, 4}), curve("c", {4, 3, 2, 0})},
       .of_the_record = false,
       .runs = {{curve("constant", {1, 2, 3, 4}), curve("a", {1, 2, 2.5, 9}),
                 curve("b", {-9, 2, 3, NAN}, Axis::state), curve("c", {0, 1, 2, 4})}}});
  EXPECT_EQ(p.kind, "shuffled text");
  EXPECT_EQ(p.runs, 1);
  EXPECT_EQ(p.tokens, 40);
  ASSERT_EQ(p.series.size(), 4u);  // in the model's order, without the absent one
  EXPECT_EQ(p.series[0].id, "a");
  EXPECT_EQ(p.series[0].mean, (std::vector<double>{1, 2, 2.5, 9}));
  EXPECT_EQ(p.series[0].model, (std::vector<double>{0, 1, 2, 10}));
  EXPECT_TRUE(p.series[0].low.empty());
  EXPECT_EQ(p.series[0].correlation, 1.0);
  EXPECT_DOUBLE_EQ(p.series[0].difference, 0.1);  // median of 1, 1, 0.5, 1 over 10
  // State 0 and an undefined place leave two pairs: too few.
  EXPECT_TRUE(std::isnan(p.series[1].correlation));
  EXPECT_TRUE(std::isnan(p.series[2].correlation));
  EXPECT_TRUE(std::isnan(p.series[2].difference));
  EXPECT_EQ(p.series[3].correlation, -1.0);
  EXPECT_DOUBLE_EQ(p.series[3].difference, 3.0 / 4.0);  // 4, 2, 0, 4 over 4
  EXPECT_EQ(p.compared, 2);
  EXPECT_DOUBLE_EQ(p.median_correlation, 0.0);
  EXPECT_DOUBLE_EQ(p.median_difference, 0.425);
  EXPECT_EQ(p.likeness, "");  // two signals are too few
}

TEST(NullProfile, SeveralNetworksByTheirMean) {
  const NullProfile p = null_profile({.kind = kRandomWeights,
                                      .model = {curve("a", {0, 1, 2})},
                                      .runs = {{curve("a", {1, 5, NAN})}, {curve("a", {3, 1, 4})}}});
  EXPECT_EQ(p.runs, 2);
  EXPECT_EQ(p.series[0].mean[0], 2.0);
  EXPECT_EQ(p.series[0].mean[1], 3.0);
  EXPECT_EQ(p.series[0].low[0], 1.0);
  EXPECT_EQ(p.series[0].high[1], 5.0);
  for (const auto* list : {&p.series[0].mean, &p.series[0].low, &p.series[0].high})
    EXPECT_TRUE(std::isnan((*list)[2]));
  EXPECT_TRUE(p.series[0].model.empty());  // it is in the record
  EXPECT_TRUE(null_profile({.kind = kRandomWeights, .note = "none by default"}).series.empty());
}

// Twelve signals over 24 blocks, whose null is the signal itself plus `share` of another one.
NullProfile mixed(double share) {
  NullInput input{.kind = kShuffledText, .runs = {{}}};
  for (int s = 0; s < 12; ++s) {
    Philox rng({.seed = 3, .stream = Stream::test, .a = static_cast<std::uint32_t>(s)});
    std::vector<double> own, other, sum;
    for (int l = 0; l < 24; ++l) {
      own.push_back(rng.uniform());
      other.push_back(rng.uniform());
      sum.push_back((1.0 - share) * own.back() + share * other.back());
    }
    input.model.push_back(curve(std::to_string(s), own));
    input.runs[0].push_back(curve(std::to_string(s), sum));
  }
  return null_profile(input);
}

TEST(NullProfile, LikenessFollowsTheRule) {
  EXPECT_EQ(mixed(0.0).likeness, "same");
  EXPECT_EQ(mixed(0.1).likeness, "same");
  EXPECT_EQ(mixed(0.45).likeness, "partly");
  EXPECT_EQ(mixed(1.0).likeness, "different");
  EXPECT_LT(std::fabs(mixed(1.0).median_correlation), 0.2);
  // The same order of blocks, another size: no likeness either.
  NullInput scaled{.kind = kShuffledText, .runs = {{}}};
  for (const char* id : {"a", "b", "c"}) {
    scaled.model.push_back(curve(id, {0, 1, 2, 3, 4}));
    scaled.runs[0].push_back(curve(id, {10, 20, 30, 40, 50}));
  }
  EXPECT_EQ(null_profile(scaled).median_correlation, 1.0);
  EXPECT_EQ(null_profile(scaled).likeness, "different");
}

Findings with(NullProfile profile, int boundaries) {
  Findings f;
  f.detections = {{.detector = "kernel_cka", .defined = true, .verdict = "x", .selected_k = boundaries}};
  f.headline = 0;
  f.null_profiles = {std::move(profile)};
  return f;
}

TEST(NullProfile, SentencesSayWhatItIsOf) {
  NullProfile p{.kind = kShuffledText,
                .runs = 1,
                .compared = 12,
                .median_correlation = 0.971,
                .median_difference = 0.043,
                .likeness = "same"};
  EXPECT_EQ(
      null_sentences(with(p, 2)),
      std::vector<std::string>{"The profile is much the same for shuffled text (median correlation 0.97 over "
                               "12 signals, median difference 4% of a signal's range): the boundaries are of "
                               "the network, not of the text."});
  EXPECT_NE(null_sentences(with(p, 0))[0].find("its shape is of the network, not of the text."),
            std::string::npos);
  p.series = {{.id = "lens_information", .correlation = 0.95, .difference = 0.31},
              {.id = "curvature", .correlation = 0.49, .difference = 0.01},
              {.id = "constant"},
              {.id = "angular_step", .correlation = 0.5, .difference = 0.3}};
  EXPECT_EQ(null_sentences(with(p, 0)).at(1),
            "Signals that differ on shuffled text: lens_information, curvature.");
  p.series.clear();
  p.likeness = "different";
  EXPECT_NE(null_sentences(with(p, 1))[0].find("The profile is another one for shuffled text"),
            std::string::npos);
  EXPECT_NE(null_sentences(with(p, 1))[0].find("the boundaries depend on the order of the text."),
            std::string::npos);
  p.likeness = "partly";
  EXPECT_NE(null_sentences(with(p, 0))[0].find("its shape depends in part on the order"), std::string::npos);
  p.likeness = "";
  EXPECT_TRUE(null_sentences(with(p, 2)).empty());
  p.detections = {{.detector = "fused", .defined = true, .verdict = "smooth"},
                  {.detector = "kernel_cka",
                   .defined = true,
                   .verdict = "2 boundaries",
                   .selected_k = 2,
                   .edges = {3, 9}}};
  EXPECT_EQ(null_sentences(with(p, 2)),
            std::vector<std::string>{"On shuffled text the same detector says: 2 boundaries at edges 3, 9."});
  p.detections[1] = {.detector = "kernel_cka", .note = "too few windows"};
  EXPECT_EQ(null_sentences(with(p, 2)),
            std::vector<std::string>{"On shuffled text the same detector says nothing: too few windows."});
  NullProfile random{.kind = kRandomWeights,
                     .runs = 1,
                     .compared = 12,
                     .median_correlation = 0.95,
                     .median_difference = 0.05,
                     .likeness = "same"};
  EXPECT_NE(null_sentences(with(random, 0))[0].find(
                "much the same as that of a network with random weights (median correlation 0.95"),
            std::string::npos);
  random.runs = 19;
  random.likeness = "different";
  EXPECT_NE(null_sentences(with(random, 0))[0].find("another one than that of 19 networks"),
            std::string::npos);
  EXPECT_TRUE(null_sentences({}).empty());
}

}  // namespace
}  // namespace strata
