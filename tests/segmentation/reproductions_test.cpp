// The labelled reproductions, groups left out and agreement: answers by hand.
#include "strata/segmentation/reproductions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/segmentation/segmentation.h"
#include "tests/support/synthetic_trace.h"

namespace strata {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

Trace with_mi(const std::vector<double>& mi, bool joint) {
  Trace trace;
  trace.model.n_layers = static_cast<int>(mi.size());
  trace.documents.resize(1);
  Series series{.id = "adjacent_mi", .unit = "nats", .axis = Axis::block, .group = Group::information};
  series.by_doc = Matrix(1, mi.size(), joint ? kNoValue : 0.0);
  series.weight = {joint ? 0.0 : 1.0};
  if (joint) {
    series.joint = mi;
  } else {
    series.by_doc.data = mi;
  }
  trace.series = {series};
  return trace;
}

TEST(V1Rule, ByHand) {
  // Differences 0 0 0 -9 0 0 0 0 0: mean -1, variance (8 * 1 + 64) / 9 = 8, threshold -1 - 2 sqrt(8) = -6.66.
  // The drop is between blocks 3 and 4, so block 4 opens the new segment.
  for (const bool joint : {false, true}) {
    const auto found = reproduce_published_rules(with_mi({9, 9, 9, 9, 0, 0, 0, 0, 0, 0}, joint));
    ASSERT_EQ(found.size(), 4u);
    EXPECT_EQ(found[0].rule, "v1_mi_drop");
    ASSERT_TRUE(found[0].defined) << found[0].note;
    EXPECT_EQ(found[0].edges, std::vector<int>{4});
    EXPECT_NEAR(found[0].threshold, -1.0 - 2.0 * std::sqrt(8.0), 1e-12);
    EXPECT_EQ(found[0].difference, (std::vector<double>{0, 0, 0, -9, 0, 0, 0, 0, 0}));
    EXPECT_FALSE(found[1].defined);  // the other token set has no such series
    EXPECT_NE(found[1].note.find("no adjacent_mi"), std::string::npos);
  }
}

TEST(V1Rule, SilentWithoutADropThatStandsOut) {
  // Rises do not count, a straight line has no variance, and five differences cannot reach two sigmas.
  EXPECT_TRUE(reproduce_published_rules(with_mi({0, 0, 0, 0, 9, 9, 9, 9, 9, 9}, false))[0].edges.empty());
  EXPECT_TRUE(reproduce_published_rules(with_mi({8, 7, 6, 5, 4, 3, 2, 1}, false))[0].edges.empty());
  EXPECT_TRUE(reproduce_published_rules(with_mi({9, 9, 9, 0, 0, 0}, false))[0].edges.empty());
}

TEST(V1Rule, UndefinedSaysWhy) {
  Trace trace = with_mi({9, 9, kNoValue, 9, 0, 0, 0, 0, 0}, false);
  trace.series[0].note = "one window";
  const auto found = reproduce_published_rules(trace);
  EXPECT_FALSE(found[0].defined);
  EXPECT_EQ(found[0].note, "adjacent_mi is undefined at some block (one window)");
  EXPECT_TRUE(found[0].edges.empty());
  EXPECT_TRUE(std::isnan(found[0].threshold));
}

Reproduction peaks(const std::vector<double>& steps) {
  Profile profile;
  profile.y = Matrix(steps.size() + 1, 2);
  for (std::size_t t = 1; t <= steps.size(); ++t) {
    // A step of length s is (0.6 s, 0.8 s), up and down in turn.
    const double side = t % 2 == 0 ? 1.0 : -1.0;
    profile.y(t, 0) = profile.y(t - 1, 0) + side * 0.6 * steps[t - 1];
    profile.y(t, 1) = profile.y(t - 1, 1) - side * 0.8 * steps[t - 1];
  }
  return top_two_peaks(profile, TokenSet::ordinary);
}

TEST(TopTwoPeaks, ByHand) {
  // Step e is between blocks e-1 and e. Peaks at edges 2 (height 5), 4 (3) and 6 (7); 9 at edge 8 is the last
  // edge and has nothing on its other side.
  const Reproduction found = peaks({1, 5, 2, 3, 1, 7, 2, 9});
  ASSERT_TRUE(found.defined);
  EXPECT_EQ(found.edges, (std::vector<int>{2, 6}));
  ASSERT_EQ(found.difference.size(), 8u);
  EXPECT_NEAR(found.difference[5], 7.0, 1e-12);
  EXPECT_TRUE(std::isnan(found.threshold));
}

TEST(TopTwoPeaks, TiesAndPlateaus) {
  EXPECT_EQ(peaks({1, 4, 1, 4, 1, 4, 1}).edges, (std::vector<int>{2, 4}));  // the first two of three equal
  Profile plateau;
  plateau.y = Matrix(8, 1);
  const std::vector<double> levels = {0, 1, 5, 9, 10, 11, 13, 14};  // steps 1 4 4 1 1 2 1
  plateau.y.data = levels;
  EXPECT_EQ(top_two_peaks(plateau, TokenSet::ordinary).edges, (std::vector<int>{2, 6}));
}

TEST(TopTwoPeaks, FewerThanTwoPeaksIsUndefined) {
  const Reproduction one = peaks({1, 2, 3, 2, 1});
  EXPECT_FALSE(one.defined);
  EXPECT_TRUE(one.edges.empty());
  EXPECT_NE(one.note.find("fewer than two peaks"), std::string::npos);
  EXPECT_FALSE(peaks({1, 2, 3, 4, 5}).defined);
}

TEST(TopTwoPeaks, FindsStepsInARecord) {
  const auto found = reproduce_published_rules(
      test::synthetic_trace({.n_layers = 16, .edges = {5, 11}, .contrast = 30.0, .seed = 2}));
  ASSERT_EQ(found.size(), 4u);
  for (const std::size_t i : {2u, 3u}) {
    EXPECT_EQ(found[i].rule, "fused_top_two_peaks");
    EXPECT_EQ(found[i].tokens, i == 2u ? TokenSet::ordinary : TokenSet::all);
    ASSERT_TRUE(found[i].defined);
    EXPECT_EQ(found[i].edges, (std::vector<int>{5, 11}));
  }
  EXPECT_EQ(reproduce_published_rules(test::synthetic_trace({.n_layers = 2}))[2].note, "fewer than 3 layers");
}

// The published rule always answers: on a straight trend it names two boundaries, where the tests name none.
TEST(TopTwoPeaks, AnswersOnANull) {
  int answered = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Trace trace =
        planted_trace({.n_layers = 24, .shape = PlantedShape::linear, .replicates = 0, .seed = seed});
    answered += reproduce_published_rules(trace)[2].defined ? 1 : 0;
  }
  EXPECT_EQ(answered, 20);
}

SegmentationOptions quick_options() {
  return {.seed = 5, .surrogates = 99, .bootstraps = 20, .alpha = 0.05, .threads = 2};
}

TEST(GroupsLeftOut, TheDetectorOnSignalsWithoutEachGroupThatItUses) {
  const auto found = leave_groups_out(
      test::synthetic_trace({.n_layers = 24, .edges = {8, 16}, .contrast = 15.0}), quick_options());
  ASSERT_EQ(found.size(), 8u);  // four groups, two token sets
  for (const GroupLeftOut& one : found) {
    EXPECT_TRUE(one.defined);
    EXPECT_EQ(one.verdict, "2 boundaries") << to_string(one.group);
    EXPECT_EQ(one.selected_k, 2);
    EXPECT_EQ(one.edges, (std::vector<int>{8, 16}));
    EXPECT_EQ(one.forced_two, one.edges);
  }
}

TEST(GroupsLeftOut, ABoundaryOfOneGroupGoesWithIt) {
  // A step in one signal (attention), white noise in the other (output).
  Trace trace = planted_trace({.n_layers = 24, .edges = {}, .seed = 9});
  trace.series = {trace.series[0], trace.series[3]};
  for (std::size_t d = 0; d < trace.series[0].by_doc.rows; ++d) {
    for (std::size_t l = 12; l < 24; ++l) trace.series[0].by_doc(d, l) += 20.0;
  }
  const auto found = leave_groups_out(trace, quick_options());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].group, Group::attention);
  EXPECT_EQ(found[0].verdict, "smooth");
  EXPECT_TRUE(found[0].edges.empty());
  EXPECT_EQ(found[1].group, Group::output);
  EXPECT_EQ(found[1].verdict, "1 boundary");
  EXPECT_EQ(found[1].edges, std::vector<int>{12});
}

TEST(GroupsLeftOut, TheOnlyGroupLeavesNothing) {
  Trace trace = planted_trace({.n_layers = 12, .edges = {6}});
  trace.series.resize(1);
  const auto found = leave_groups_out(trace, quick_options());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].group, Group::attention);
  EXPECT_FALSE(found[0].defined);
  EXPECT_NE(found[0].note.find("no signal"), std::string::npos);
  EXPECT_TRUE(leave_groups_out(planted_trace({.n_layers = 3}), quick_options()).empty());
}

Detection forced(const char* name, std::vector<int> edges, TokenSet tokens = TokenSet::ordinary) {
  Detection d;
  d.detector = name;
  d.tokens = tokens;
  for (const int edge : edges) d.forced_two.push_back({.edge = edge, .histogram = {}});
  return d;
}

TEST(CompareSplits, ByHand) {
  Reproduction rule;
  rule.rule = "v1_mi_drop";
  rule.edges = {4};
  const auto found = compare_splits(
      {forced("a", {5, 11}), forced("b", {6, 15}), forced("a", {2, 3}, TokenSet::all)}, {rule}, 20);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].detectors, (std::vector<std::string>{"a", "b", "v1_mi_drop"}));
  EXPECT_EQ(found[0].distance(0, 0), 0.0);
  EXPECT_NEAR(found[0].distance(0, 1), (1.0 + 4.0) / 2.0 / 20.0, 1e-15);
  EXPECT_EQ(found[0].distance(1, 0), found[0].distance(0, 1));
  EXPECT_TRUE(std::isnan(found[0].distance(0, 2)));
  EXPECT_TRUE(std::isnan(found[0].distance(2, 2)));
  EXPECT_EQ(found[0].note, "v1_mi_drop has no two-boundary split");
  EXPECT_EQ(found[1].tokens, TokenSet::all);
  EXPECT_EQ(found[1].detectors, std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace strata
