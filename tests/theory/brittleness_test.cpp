// Segment brittleness against means by hand and intervals of known width.
#include "strata/theory/brittleness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "strata/base/philox.h"
#include "strata/theory/kappa.h"
#include "tests/theory/synthetic_trace.h"

namespace strata {
namespace {

using test::add_noise_curve;
using test::add_skip_curve;
using test::trace_with_documents;

const test::Law kNoNll = [](std::size_t, double) { return 0.0; };

// State i of the model has kappa `by_state[i]` in every document, times the document's own factor.
Trace layered(const std::vector<double>& by_state, const std::vector<double>& factor) {
  Trace trace = trace_with_documents(std::vector<int>(factor.size(), 20), static_cast<int>(by_state.size()));
  for (std::size_t i = 0; i < by_state.size(); ++i) {
    add_noise_curve(
        trace, static_cast<int>(i),
        [&](std::size_t d, double eps) { return by_state[i] * factor[d] * eps * eps / 2; }, kNoNll);
  }
  return trace;
}

const std::vector<Segment> kSegments{{"Local", 0, 2}, {"Global", 2, 4}};

TEST(Brittleness, MeansByHand) {
  Trace trace = layered({2, 8, 3, 27}, {1, 1, 1, 1, 1, 1, 1, 1});
  for (int block = 0; block < 4; ++block)
    add_skip_curve(trace, block, std::vector<double>(8, 0.1 * (block + 1)));
  const auto result = segment_brittleness(trace, kSegments, estimate_kappa(trace), {.forced_segments = true});
  ASSERT_EQ(result.size(), 2u);
  EXPECT_EQ(result[0].segment.name, "Local");
  EXPECT_TRUE(result[0].forced);
  EXPECT_NEAR(result[0].kappa_geometric, 4.0, 1e-9);
  EXPECT_NEAR(result[0].kappa_arithmetic, 5.0, 1e-9);
  EXPECT_NEAR(result[0].skip_kl_nats, 0.15, 1e-12);
  EXPECT_NEAR(result[1].kappa_geometric, 9.0, 1e-9);
  EXPECT_NEAR(result[1].kappa_arithmetic, 15.0, 1e-9);
  EXPECT_NEAR(result[1].skip_kl_nats, 0.35, 1e-12);
  EXPECT_NEAR(result[0].kappa_interval_90.lo, 4.0, 1e-9);  // equal documents: no width
  EXPECT_NEAR(result[0].kappa_interval_90.hi, 4.0, 1e-9);
  EXPECT_EQ(result[0].note, "joint kappa undefined: no joint noise was run over this segment");
}

// The four variants by hand; NLL has the curvature 6 at state 1 and is not positive at state 0.
TEST(Brittleness, MeansOfEveryVariant) {
  Trace trace = trace_with_documents({10, 30}, 2);
  const auto law = [](double kappa) {
    return [kappa](std::size_t, double eps) { return kappa * eps * eps / 2; };
  };
  for (const char* noise : {"relative_noise", "absolute_noise"}) {
    const double factor = noise == std::string("absolute_noise") ? 4.0 : 1.0;
    for (int state = 0; state < 2; ++state) {
      add_noise_curve(trace, state, law(factor * (state == 0 ? 2 : 8)), law(factor * (state == 0 ? -2 : 6)));
      trace.curves.back().intervention = noise;
    }
  }
  for (const char* id : {"sensitivity", "sensitivity_absolute"}) {
    const double factor = id == std::string("sensitivity_absolute") ? 4.0 : 1.0;
    trace.series.push_back(
        {.id = id, .axis = Axis::state, .by_doc = Matrix(2, 3, 3.0 * factor), .weight = {10, 30}});
  }
  const auto kappa = estimate_kappa(trace);
  EXPECT_NEAR(kappa[1].nll, 6.0, 1e-9);
  EXPECT_NEAR(kappa[1].absolute, 32.0, 1e-9);
  EXPECT_NEAR(kappa[1].absolute_nll, 24.0, 1e-9);
  EXPECT_NEAR(kappa[1].absolute_fisher, 12.0, 1e-12);
  EXPECT_NEAR(kappa[1].absolute_error, 0.0, 1e-9);
  const auto means = segment_brittleness(trace, {{"all", 0, 2}}, kappa, {})[0].means;
  const struct {
    const char *noise, *measure, *estimator;
    double geometric, arithmetic;
  } expected[] = {{"relative", "kl", "lanes", 4, 5},      {"relative", "kl", "backward", 3, 3},
                  {"relative", "nll", "lanes", NAN, 2},   {"absolute", "kl", "lanes", 16, 20},
                  {"absolute", "kl", "backward", 12, 12}, {"absolute", "nll", "lanes", NAN, 8}};
  ASSERT_EQ(means.size(), std::size(expected));
  for (std::size_t i = 0; i < means.size(); ++i) {
    EXPECT_EQ(means[i].noise + means[i].measure + means[i].estimator,
              std::string(expected[i].noise) + expected[i].measure + expected[i].estimator);
    EXPECT_NEAR(means[i].arithmetic, expected[i].arithmetic, 1e-9) << i;
    if (std::isnan(expected[i].geometric)) {
      EXPECT_TRUE(std::isnan(means[i].geometric));
      EXPECT_EQ(means[i].note, "no geometric mean: a value is not positive");
    } else {
      EXPECT_NEAR(means[i].geometric, expected[i].geometric, 1e-9) << i;
      EXPECT_EQ(means[i].note, "");
    }
  }
}

// Without noise lanes the segments' kappa is the backward sweep's, with its interval, and not called the
// lanes'.
TEST(Brittleness, OfTheBackwardSweepWhereNoNoiseWasRun) {
  Trace trace = trace_with_documents(std::vector<int>(10, 20), 2);
  Series series{.id = "sensitivity", .axis = Axis::state, .by_doc = Matrix(10, 3), .weight = {}};
  series.weight.assign(10, 20.0);
  for (std::size_t d = 0; d < 10; ++d) {
    series.by_doc(d, 0) = d < 5 ? 1.0 : 3.0;  // mean 2
    series.by_doc(d, 1) = 8.0;
    series.by_doc(d, 2) = 100.0;
  }
  trace.series.push_back(series);
  const auto result = segment_brittleness(trace, {{"all", 0, 2}}, estimate_kappa(trace), {})[0];
  EXPECT_NEAR(result.kappa_geometric, 4.0, 1e-12);
  EXPECT_NEAR(result.kappa_arithmetic, 5.0, 1e-12);
  EXPECT_GT(result.kappa_interval_90.lo, std::sqrt(8.0));
  EXPECT_LT(result.kappa_interval_90.lo, 4.0);
  EXPECT_GT(result.kappa_interval_90.hi, 4.0);
  EXPECT_LT(result.kappa_interval_90.hi, std::sqrt(24.0));
  EXPECT_TRUE(std::isnan(result.means[0].geometric));  // lanes
  EXPECT_EQ(result.means[0].note, "defined at 0 of 2 states");
  EXPECT_NEAR(result.means[1].geometric, 4.0, 1e-12);  // backward
}

TEST(Brittleness, AMeanNeedsEveryStateOfItsSegment) {
  Trace trace = layered({2, 8}, {1, 1});
  trace.curves.pop_back();
  const auto means = segment_brittleness(trace, {{"all", 0, 2}}, estimate_kappa(trace), {})[0].means;
  EXPECT_TRUE(std::isnan(means[0].arithmetic));
  EXPECT_EQ(means[0].note, "defined at 1 of 2 states");
}

TEST(Brittleness, JointNoiseIsThatOfTheSegmentItself) {
  Trace trace = layered({2, 8, 3, 27}, {1, 3});
  add_noise_curve(
      trace, 2, [](std::size_t d, double eps) { return (d == 0 ? 5.0 : 9.0) * eps * eps / 2; }, kNoNll);
  trace.curves.back().intervention = "joint_noise";
  trace.curves.back().span = 2;
  const auto result = segment_brittleness(trace, kSegments, estimate_kappa(trace), {});
  EXPECT_TRUE(std::isnan(result[0].kappa_joint));
  EXPECT_NEAR(result[1].kappa_joint, 7.0, 1e-9);
  EXPECT_NEAR(result[1].kappa_joint_error, 2.0, 1e-9);  // sd of two values over sqrt 2
  // Not that of a shorter segment that begins at the same state.
  EXPECT_TRUE(
      std::isnan(segment_brittleness(trace, {{"x", 2, 3}}, estimate_kappa(trace), {})[0].kappa_joint));
}

// With a factor of its own in each document, shared by the states, the geometric mean is g * mean(factor):
// the interval is that of a mean, 1.645 sd/sqrt(n) to either side for many documents.
TEST(Brittleness, IntervalOfAMean) {
  const std::size_t n = 200;
  std::vector<double> factor(n);
  Philox rng({.seed = 5, .stream = Stream::test});
  double mean = 0, square = 0;
  for (double& f : factor) {
    f = 0.5 + rng.uniform();
    mean += f / n;
  }
  for (const double f : factor) square += (f - mean) * (f - mean) / n;
  const Trace trace = layered({2, 8, 3, 27}, factor);
  const auto result =
      segment_brittleness(trace, kSegments, estimate_kappa(trace), {.seed = 1, .bootstraps = 4000});
  const double half = 1.645 * std::sqrt(square / n);
  EXPECT_NEAR(result[0].kappa_geometric, 4 * mean, 1e-9);
  EXPECT_NEAR(result[0].kappa_interval_90.lo, 4 * (mean - half), 0.15 * 4 * half);
  EXPECT_NEAR(result[0].kappa_interval_90.hi, 4 * (mean + half), 0.15 * 4 * half);
  // Shared resamples: segments that are multiples of each other have intervals that are.
  EXPECT_NEAR(result[1].kappa_interval_90.lo / result[0].kappa_interval_90.lo, 9.0 / 4, 1e-9);
}

TEST(Brittleness, CoverageOfTheInterval) {
  Philox rng({.seed = 6, .stream = Stream::test});
  int covered = 0;
  const int repetitions = 200;
  for (int r = 0; r < repetitions; ++r) {
    std::vector<double> factor(20);
    for (double& f : factor) f = 0.5 + rng.uniform();
    const Trace trace = layered({2, 8}, factor);
    const auto result = segment_brittleness(trace, {{"all", 0, 2}}, estimate_kappa(trace),
                                            {.seed = static_cast<std::uint64_t>(r), .bootstraps = 200});
    covered += result[0].kappa_interval_90.lo <= 4 && 4 <= result[0].kappa_interval_90.hi ? 1 : 0;
  }
  // Nominal 180 of 200; a percentile interval of 20 documents covers about 87%. Binomial sd about 4.6.
  EXPECT_GE(covered, 160);
  EXPECT_LE(covered, 195);
}

TEST(Brittleness, SameSeedSameBits) {
  const Trace trace = layered({2, 8, 3, 27}, {1.13, 2.71, 3.14, 4.67, 5.09, 6.28, 7.39, 8.81, 9.97});
  const auto kappa = estimate_kappa(trace);
  const auto a = segment_brittleness(trace, kSegments, kappa, {.seed = 9});
  const auto b = segment_brittleness(trace, kSegments, kappa, {.seed = 9});
  const auto c = segment_brittleness(trace, kSegments, kappa, {.seed = 10});
  EXPECT_EQ(a[0].kappa_interval_90.lo, b[0].kappa_interval_90.lo);
  EXPECT_EQ(a[0].kappa_interval_90.hi, b[0].kappa_interval_90.hi);
  EXPECT_NE(a[0].kappa_interval_90.lo, c[0].kappa_interval_90.lo);
}

TEST(Brittleness, UndefinedStatesAreCountedNotHidden) {
  Trace trace = layered({2, 8, 3, 27}, std::vector<double>(8, 1.0));
  for (std::size_t j = 0; j < test::kGrid.size(); ++j) {
    for (std::size_t d = 0; d < 8; ++d) {
      trace.curves[1].kl_nats(d, j) = 1e-7;
      trace.curves[2].kl_nats(d, j) = trace.curves[3].kl_nats(d, j) = 1e-7;
    }
  }
  const auto result = segment_brittleness(trace, kSegments, estimate_kappa(trace), {});
  EXPECT_NEAR(result[0].kappa_geometric, 2.0, 1e-9);
  EXPECT_NE(result[0].note.find("1 of 2 states have no kappa"), std::string::npos) << result[0].note;
  EXPECT_TRUE(std::isnan(result[1].kappa_geometric));
  EXPECT_TRUE(std::isnan(result[1].kappa_arithmetic));
  EXPECT_TRUE(std::isnan(result[1].kappa_interval_90.lo));
  EXPECT_NE(result[1].note.find("kappa undefined"), std::string::npos);
  EXPECT_TRUE(std::isnan(result[0].skip_kl_nats));
  EXPECT_NE(result[0].note.find("block 0 was not skipped"), std::string::npos);
}

TEST(Brittleness, FewDocuments) {
  const Trace one = layered({2, 8}, {1});
  const auto alone = segment_brittleness(one, {{"all", 0, 2}}, estimate_kappa(one), {});
  EXPECT_NEAR(alone[0].kappa_geometric, 4.0, 1e-9);
  EXPECT_TRUE(std::isnan(alone[0].kappa_interval_90.lo));
  EXPECT_NE(alone[0].note.find("one document"), std::string::npos);
  const Trace three = layered({2, 8}, {1, 2, 3});
  const auto few = segment_brittleness(three, {{"all", 0, 2}}, estimate_kappa(three), {});
  EXPECT_TRUE(std::isfinite(few[0].kappa_interval_90.lo));
  EXPECT_NE(few[0].note.find("3 documents: the interval is unreliable"), std::string::npos);
}

TEST(Brittleness, SkipDamageIsWeightedByLaneTokens) {
  Trace trace = trace_with_documents({10, 30, 0}, 1);
  add_skip_curve(trace, 0, {1.0, 2.0, 100.0});
  const auto result = segment_brittleness(trace, {{"all", 0, 1}}, {}, {});
  EXPECT_NEAR(result[0].skip_kl_nats, 1.75, 1e-12);
  trace.curves[0].strength = {0.5};
  EXPECT_TRUE(std::isnan(segment_brittleness(trace, {{"all", 0, 1}}, {}, {})[0].skip_kl_nats));
}

TEST(Brittleness, ImpossibleSegmentsAreABug) {
  const Trace trace = layered({2, 8}, {1, 2});
  for (const Segment& segment : {Segment{"x", 0, 3}, Segment{"x", 1, 1}, Segment{"x", -1, 1}}) {
    EXPECT_THROW((void)segment_brittleness(trace, {segment}, {}, {}), std::logic_error);
  }
}

}  // namespace
}  // namespace strata
