#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/error.h"
#include "strata/segmentation/segmentation.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_trace.h"

namespace strata {
namespace {

SegmentationOptions quick() {
  return {.seed = 5, .surrogates = 199, .bootstraps = 100, .alpha = 0.05, .threads = 2};
}

// The earlier detectors, kept as reproductions.
std::vector<Detection> find_earlier(const Trace& trace, const SegmentationOptions& options) {
  auto found = find_boundaries(trace, options);
  std::erase_if(found, [](const Detection& d) { return d.role != DetectorRole::reproduction; });
  return found;
}

void expect_same(const std::vector<EdgeEstimate>& a, const std::vector<EdgeEstimate>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].edge, b[i].edge);
    EXPECT_EQ(a[i].interval_90.lo, b[i].interval_90.lo);
    EXPECT_EQ(a[i].interval_90.hi, b[i].interval_90.hi);
    EXPECT_EQ(a[i].histogram, b[i].histogram);
  }
}

TEST(EarlierDetectors, TwoPlantedStepsAreFoundCountedAndPlacedByEveryDetector) {
  const auto found =
      find_earlier(test::synthetic_trace({.n_layers = 16, .edges = {5, 11}, .contrast = 5.0}), quick());
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].detector, "kernel_cka");
  EXPECT_EQ(found[2].detector, "fused");
  EXPECT_EQ(found[1].tokens, TokenSet::all);
  for (const Detection& d : found) {
    SCOPED_TRACE(d.detector);
    ASSERT_TRUE(d.defined);
    EXPECT_EQ(d.verdict, "2 boundaries");
    ASSERT_EQ(d.boundaries.size(), 2u);
    EXPECT_EQ(d.boundaries[0].edge, 5);
    EXPECT_EQ(d.boundaries[1].edge, 11);
    EXPECT_LE(d.boundaries[0].interval_90.lo, 5.0);
    EXPECT_GE(d.boundaries[0].interval_90.hi, 5.0);
    EXPECT_EQ(d.boundaries[0].histogram.size(), 15u);
    const auto& h = d.boundaries[0].histogram;
    EXPECT_NEAR(std::accumulate(h.begin(), h.end(), 0.0), 1.0, 1e-9);
    EXPECT_EQ(d.boundaries[0].modal_share, h[4]);
    ASSERT_EQ(d.tests.size(), 4u);  // smooth, walk and 1 jump rejected, 2 jumps kept
    EXPECT_LE(d.tests[0].p_value, 0.05);
    EXPECT_LE(d.tests[1].p_value, 0.05);
    EXPECT_LE(d.tests[2].p_value, 0.05);
    EXPECT_TRUE(d.tests[3].p_value > 0.05 || d.tests[3].statistic <= 0.0);
    EXPECT_EQ(d.tests[1].null_model, "random walk");
    EXPECT_EQ(d.tests[2].null_model, "1 jump");
    EXPECT_EQ(d.tests[0].null_sample.size(), 199u);
    EXPECT_TRUE(std::is_sorted(d.tests[0].null_sample.begin(), d.tests[0].null_sample.end()));
    expect_same(d.boundaries, d.forced_two);
    EXPECT_NEAR(std::accumulate(d.k_stability.begin(), d.k_stability.end(), 0.0), 1.0, 1e-9);
    EXPECT_EQ(d.k_stability[0], 0.0);
    EXPECT_EQ(d.k_stability[1], 0.0);
  }
}

TEST(EarlierDetectors, AChangePlantedAtABlockIsThatEdgeAtEveryPlace) {
  for (const int edge : {2, 3, 7, 10}) {
    const auto found = find_earlier(
        test::synthetic_trace({.n_layers = 12, .edges = {edge}, .contrast = 12.0, .seed = 3}), quick());
    for (const Detection& d : found) {
      ASSERT_EQ(d.verdict, "1 boundary") << d.detector << " " << edge;
      EXPECT_EQ(d.boundaries[0].edge, edge) << d.detector;
    }
  }
}

TEST(EarlierDetectors, AStraightTrendIsSmoothAndItsForcedSplitSitsAtThirds) {
  for (const auto shape : {test::Shape::linear, test::Shape::monotone}) {
    const auto found = find_earlier(
        test::synthetic_trace({.n_layers = 24, .shape = shape, .contrast = 10.0, .seed = 6}), quick());
    for (const Detection& d : found) {
      SCOPED_TRACE(d.detector);
      EXPECT_EQ(d.verdict, "smooth");
      EXPECT_EQ(d.selected_k, 0);
      EXPECT_TRUE(d.boundaries.empty());
      ASSERT_EQ(d.forced_two.size(), 2u);
      if (shape != test::Shape::linear) continue;
      EXPECT_NEAR(d.forced_two[0].edge, 8, 2);
      EXPECT_NEAR(d.forced_two[1].edge, 16, 2);
    }
  }
}

// A calibration only counts verdicts; stopping a test early must not change one.
TEST(EarlierDetectors, DecidingEarlyGivesTheSameVerdict) {
  SegmentationOptions options = quick();
  options.surrogates = 99;
  options.bootstraps = 2;
  int more_than_one_verdict = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Trace trace = test::synthetic_trace(
        {.n_layers = 14, .edges = {5, 10}, .contrast = 2.0, .replicates = 0, .seed = seed});
    options.decision_only = false;
    const auto full = find_earlier(trace, options);
    options.decision_only = true;
    const auto early = find_earlier(trace, options);
    for (std::size_t i = 0; i < full.size(); ++i) {
      EXPECT_EQ(full[i].verdict, early[i].verdict);
      EXPECT_EQ(full[i].tests.size(), early[i].tests.size());
      if (full[i].verdict != full[0].verdict) ++more_than_one_verdict;
    }
  }
  EXPECT_GT(more_than_one_verdict, 0);
}

TEST(EarlierDetectors, ThreePlantedStepsAreThree) {
  const auto found =
      find_earlier(test::synthetic_trace({.n_layers = 24, .edges = {5, 11, 18}, .contrast = 5.0}), quick());
  for (const Detection& d : found) EXPECT_EQ(d.verdict, "3 boundaries") << d.detector;
}

TEST(EarlierDetectors, AWalkThatLooksLikeStepsIsNotIdentified) {
  int not_identified = 0;
  for (std::uint64_t seed = 0; seed < 60 && not_identified == 0; ++seed) {
    test::SyntheticSpec spec{
        .n_layers = 12, .shape = test::Shape::walk, .edges = {}, .replicates = 0, .seed = seed};
    SegmentationOptions options = quick();
    options.surrogates = 99;
    options.bootstraps = 5;
    for (const Detection& d : find_earlier(test::synthetic_trace(spec), options)) {
      if (d.verdict != "not identified") continue;
      ++not_identified;
      EXPECT_TRUE(d.defined);
      EXPECT_TRUE(d.boundaries.empty());
      EXPECT_EQ(d.selected_k, 0);
      EXPECT_EQ(d.forced_two.size(), 2u);
      ASSERT_EQ(d.tests.size(), 2u);
      EXPECT_LE(d.tests[0].p_value, 0.05);
      EXPECT_GT(d.tests[0].statistic, 0.0);
      EXPECT_GT(d.tests[1].p_value, 0.05);
      EXPECT_NE(d.note.find("random walk"), std::string::npos);
    }
  }
  EXPECT_GT(not_identified, 0);
}

TEST(EarlierDetectors, WhenEveryCountIsRejectedNothingIsSelected) {
  // Six blocks hold at most two boundaries, so with two large steps nobody can say whether there are more.
  test::SyntheticSpec spec{.n_layers = 6, .edges = {2, 4}, .signals = 8, .contrast = 200.0};
  const auto found = find_earlier(test::synthetic_trace(spec), quick());
  EXPECT_EQ(found[0].verdict, "not identified");
  EXPECT_TRUE(found[0].boundaries.empty());
  EXPECT_NE(found[0].note.find("up to the largest"), std::string::npos);
  EXPECT_EQ(found[0].forced_two.size(), 2u);
}

TEST(EarlierDetectors, WithoutReplicatesTheIntervalsSaySo) {
  test::SyntheticSpec spec{.n_layers = 12, .edges = {6}};
  spec.replicates = 0;
  const auto found = find_earlier(test::synthetic_trace(spec), quick());
  EXPECT_TRUE(found[0].k_stability.empty());
  EXPECT_NE(found[0].note.find("layer noise only"), std::string::npos);
  EXPECT_FALSE(found[0].forced_two.empty());
}

TEST(EarlierDetectors, DocumentsThatDisagreeWidenTheIntervals) {
  const auto width = [](double document_sigma) {
    test::SyntheticSpec spec{
        .n_layers = 20, .edges = {7, 14}, .contrast = 3.0, .document_sigma = document_sigma};
    const auto found = find_earlier(test::synthetic_trace(spec), quick());
    double sum = 0.0;
    for (const Detection& d : found) {
      for (const EdgeEstimate& e : d.forced_two) sum += e.interval_90.hi - e.interval_90.lo;
    }
    return sum;
  };
  EXPECT_GT(width(12.0), width(0.1) + 2.0);
}

TEST(EarlierDetectors, NoiseFreeProfiles) {
  // Without any noise the answer is the plan itself; nothing may become infinite.
  test::SyntheticSpec spec{.n_layers = 12, .edges = {4, 8}, .contrast = 1e6, .document_sigma = 0.0};
  for (const Detection& d : find_earlier(test::synthetic_trace(spec), quick())) {
    EXPECT_EQ(d.verdict, "2 boundaries") << d.detector;
    for (const ModelFit& fit : d.fits) EXPECT_TRUE(std::isfinite(fit.bic_ar1));
  }
}

TEST(EarlierDetectors, FitsListEveryModel) {
  const auto found = find_earlier(test::synthetic_trace({.n_layers = 16, .edges = {5, 11}}), quick());
  const auto& fits = found[2].fits;
  ASSERT_EQ(fits.size(), 12u);  // 0..6 jumps, five trends
  EXPECT_EQ(fits[2].name, "2 jumps");
  EXPECT_EQ(fits[7].name, "constant");
  EXPECT_EQ(fits[7].k, -1);
  EXPECT_NEAR(fits[0].sse, fits[7].sse, 1e-9);
  for (std::size_t k = 1; k <= 6; ++k) EXPECT_LE(fits[k].sse, fits[k - 1].sse + 1e-12);
  const auto best = std::min_element(
      fits.begin(), fits.end(), [](const ModelFit& a, const ModelFit& b) { return a.bic_ar1 < b.bic_ar1; });
  EXPECT_EQ(best->name, "2 jumps");
  // Left-out layers are predicted best by the steps that are there.
  EXPECT_LT(fits[2].leave_one_out, fits[7].leave_one_out);
  EXPECT_LT(fits[2].leave_one_out, fits[1].leave_one_out);
}

TEST(EarlierDetectors, ThreadsDoNotMatterAndSeedsDo) {
  const Trace trace = test::synthetic_trace({.n_layers = 14, .edges = {5}, .contrast = 1.5});
  SegmentationOptions options = quick();
  options.threads = 1;
  const auto one = find_earlier(trace, options);
  options.threads = 3;
  const auto three = find_earlier(trace, options);
  options.seed = 99;
  const auto other = find_earlier(trace, options);
  bool differs = false;
  for (std::size_t i = 0; i < one.size(); ++i) {
    ASSERT_EQ(one[i].tests.size(), three[i].tests.size());
    for (std::size_t t = 0; t < one[i].tests.size(); ++t) {
      EXPECT_EQ(one[i].tests[t].null_sample, three[i].tests[t].null_sample);
      EXPECT_EQ(one[i].tests[t].p_value, three[i].tests[t].p_value);
    }
    expect_same(one[i].forced_two, three[i].forced_two);
    expect_same(one[i].boundaries, three[i].boundaries);
    EXPECT_EQ(one[i].k_stability, three[i].k_stability);
    differs = differs || one[i].tests[0].null_sample != other[i].tests[0].null_sample;
  }
  EXPECT_TRUE(differs);
}

TEST(EarlierDetectors, TooFewLayersOrNothingRecordedIsUndefinedWithAReason) {
  for (const Detection& d : find_earlier(test::synthetic_trace({.n_layers = 3, .edges = {}}), quick())) {
    EXPECT_FALSE(d.defined);
    EXPECT_NE(d.note.find("3 layers are too few"), std::string::npos);
    EXPECT_EQ(d.verdict, "not identified");
  }
  Trace empty = test::synthetic_trace({.n_layers = 12, .edges = {6}});
  empty.cka.clear();
  const auto fused_only = find_earlier(empty, quick());
  EXPECT_FALSE(fused_only[0].defined);
  EXPECT_TRUE(fused_only[2].defined);
  empty.series.clear();
  const auto nothing = find_earlier(empty, quick());
  for (const Detection& d : nothing) {
    EXPECT_FALSE(d.note.empty());
    EXPECT_TRUE(d.forced_two.empty());
  }
}

TEST(EarlierDetectors, SmallestModels) {
  for (const int n_layers : {4, 5, 6}) {
    for (const Detection& d :
         find_earlier(test::synthetic_trace({.n_layers = n_layers, .edges = {2}}), quick())) {
      EXPECT_TRUE(d.defined);
      EXPECT_EQ(d.forced_two.empty(), n_layers < 6);
      for (const CountTest& test : d.tests) EXPECT_TRUE(std::isfinite(test.statistic));
    }
  }
}

TEST(EarlierDetectors, BadOptionsAreRefused) {
  SegmentationOptions options = quick();
  options.surrogates = 0;
  EXPECT_STRATA_ERROR(find_boundaries(test::synthetic_trace({.edges = {5}}), options), ErrorKind::usage,
                      "surrogate");
  options = quick();
  options.alpha = 1.0;
  EXPECT_STRATA_ERROR(find_boundaries(test::synthetic_trace({.edges = {5}}), options), ErrorKind::usage,
                      "alpha");
}

TEST(Segments, Names) {
  const auto three = segments_from_edges({3, 9}, 12);
  ASSERT_EQ(three.size(), 3u);
  EXPECT_EQ(three[0].name, "Local");
  EXPECT_EQ(three[1].name, "Intermediate");
  EXPECT_EQ(three[2].name, "Global");
  EXPECT_EQ(three[1].begin, 3);
  EXPECT_EQ(three[2].end, 12);
  EXPECT_EQ(segments_from_edges({}, 12).at(0).name, "Segment 1");
  EXPECT_THROW((void)segments_from_edges({9, 3}, 12), std::logic_error);
}

}  // namespace
}  // namespace strata
