// A model among networks with random weights: ranks by hand, and counts that are those of find_boundaries.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/segmentation/segmentation.h"
#include "tests/support/synthetic_trace.h"

namespace strata {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::vector<RecordCount>> twins(const std::vector<double>& statistics) {
  std::vector<std::vector<RecordCount>> all;
  for (const double s : statistics)
    all.push_back({{.defined = !std::isnan(s), .statistic = s, .verdict = "smooth", .forced_two = {2, 5}}});
  return all;
}

Detection detection(double statistic) {
  Detection d;
  d.detector = "kernel_cka";
  d.defined = true;
  d.tests.resize(1);
  d.tests[0].statistic = statistic;
  return d;
}

TEST(RandomTwins, RankByHandAndTiesCountAgainstTheModel) {
  struct Case {
    double observed;
    int rank;
  };
  for (const Case& c : {Case{5.0, 1}, Case{4.0, 2}, Case{2.5, 3}, Case{-9.0, 5}}) {
    const auto ranked = rank_among_twins({detection(c.observed)}, twins({1.0, 4.0, -3.0, 3.0}));
    ASSERT_EQ(ranked.size(), 1u);
    EXPECT_TRUE(ranked[0].defined);
    EXPECT_EQ(ranked[0].rank, c.rank) << c.observed;
    EXPECT_DOUBLE_EQ(ranked[0].p_value, c.rank / 5.0);
    EXPECT_EQ(ranked[0].statistic, (std::vector<double>{1.0, 4.0, -3.0, 3.0}));
    EXPECT_EQ(ranked[0].forced_two.data, (std::vector<double>{2, 5, 2, 5, 2, 5, 2, 5}));
  }
}

TEST(RandomTwins, UndefinedIsSaidNotRanked) {
  const auto one = rank_among_twins({detection(1.0)}, twins({0.5, kNaN}));
  EXPECT_FALSE(one[0].defined);
  EXPECT_NE(one[0].note.find("1 of 2"), std::string::npos) << one[0].note;
  EXPECT_TRUE(std::isnan(one[0].p_value));
  Detection undefined;
  undefined.note = "no CKA matrix";
  const auto none = rank_among_twins({undefined}, twins({0.5}));
  EXPECT_FALSE(none[0].defined);
  EXPECT_EQ(none[0].note, "no CKA matrix");
  EXPECT_TRUE(std::isnan(none[0].observed));
  EXPECT_TRUE(rank_among_twins({detection(1.0)}, {}).empty());
}

TEST(CountRecord, IsWhatFindBoundariesCounts) {
  for (const std::vector<int>& edges : {std::vector<int>{5, 11}, std::vector<int>{}}) {
    const Trace trace = test::synthetic_trace({.n_layers = 16, .edges = edges, .seed = 4});
    const SegmentationOptions options{.seed = 3, .surrogates = 39, .bootstraps = 20};
    const auto detections = find_boundaries(trace, options);
    SegmentationOptions brief = options;
    for (const bool decision_only : {false, true}) {
      brief.decision_only = decision_only;
      const auto counts = count_record(trace, brief);
      ASSERT_EQ(counts.size(), detections.size());
      for (std::size_t i = 0; i < counts.size(); ++i) {
        ASSERT_EQ(counts[i].defined, detections[i].defined);
        if (!counts[i].defined) {
          EXPECT_EQ(counts[i].note, detections[i].note);
          continue;
        }
        EXPECT_EQ(counts[i].selected_k, detections[i].selected_k);
        EXPECT_EQ(counts[i].verdict, detections[i].verdict);
        const auto& evidence = detections[i].evidence;
        EXPECT_EQ(counts[i].statistic, evidence.empty()
                                           ? detections[i].tests[0].statistic
                                           : *std::max_element(evidence.begin(), evidence.end()));
        ASSERT_EQ(counts[i].forced_two.size(), 2u);
        EXPECT_EQ(counts[i].forced_two[1], detections[i].forced_two[1].edge);
        EXPECT_EQ(counts[i].edges.size(), evidence.empty() ? 0u : detections[i].boundaries.size());
      }
    }
  }
}

}  // namespace
}  // namespace strata
