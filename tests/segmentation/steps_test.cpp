// The detectors "signals" and "states" and the rule over both: their parts against closed forms, silence on
// smooth and noisy profiles, planted steps, one odd block, start-up, threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "strata/base/philox.h"
#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/rule.h"
#include "strata/segmentation/segmentation.h"
#include "strata/segmentation/state_jumps.h"
#include "strata/segmentation/step_detector.h"
#include "strata/segmentation/step_evidence.h"

namespace strata {
namespace {

struct SignalRow {
  const char* id;
  Axis axis;
  Group group;
};

constexpr std::array kRows = {
    SignalRow{"attention_distance", Axis::block, Group::attention},
    SignalRow{"attention_entropy", Axis::block, Group::attention},
    SignalRow{"angular_step", Axis::block, Group::representation},
    SignalRow{"update_ratio", Axis::block, Group::representation},
    SignalRow{"matrix_entropy", Axis::state, Group::information},
    SignalRow{"effective_rank", Axis::state, Group::information},
    SignalRow{"lens_entropy", Axis::state, Group::output},
    SignalRow{"lens_information", Axis::state, Group::output},
};

using Course = std::function<double(int block, std::size_t signal)>;

// Layers of noise (sd 1, then 8% of each signal) about a shape; documents differ by half of that.
Trace record(int n_layers, std::uint64_t seed, const Course& shape, double noise = 1.0) {
  Trace trace;
  trace.model.n_layers = n_layers;
  trace.documents.resize(12);
  Philox rng({.seed = seed, .stream = Stream::test, .a = 1});
  for (std::size_t j = 0; j < kRows.size(); ++j) {
    Series series{.id = kRows[j].id, .unit = "1", .axis = kRows[j].axis, .group = kRows[j].group};
    const int shift = series.axis == Axis::state ? 1 : 0;
    series.by_doc = Matrix(trace.documents.size(), static_cast<std::size_t>(n_layers + shift));
    series.weight.assign(trace.documents.size(), 100.0);
    for (int t = 0; t < n_layers + shift; ++t) {
      const double layer = shape(std::max(0, t - shift), j) + noise * rng.normal();
      for (std::size_t d = 0; d < trace.documents.size(); ++d)
        series.by_doc(d, static_cast<std::size_t>(t)) = std::exp(0.08 * (layer + 0.5 * noise * rng.normal()));
    }
    trace.series.push_back(std::move(series));
  }
  return trace;
}

// CKA of unit vectors along a path in 64 dimensions: 1 - CKA of successive states is shift(block).
CkaRecord path(int n_layers, std::uint64_t seed, const std::function<double(int block)>& shift) {
  Philox rng({.seed = seed, .stream = Stream::test, .a = 2});
  constexpr std::size_t kWidth = 64;
  const auto unit = [&] {
    std::vector<double> x(kWidth);
    double square = 0.0;
    for (double& v : x) {
      v = rng.normal();
      square += v * v;
    }
    for (double& v : x) v /= std::sqrt(square);
    return x;
  };
  std::vector<std::vector<double>> states = {unit()};
  for (int l = 0; l < n_layers; ++l) {
    const double cosine = 1.0 - shift(l) * (1.0 + 0.2 * rng.normal());
    std::vector<double> side = unit(), next(kWidth);
    double dot = 0.0, square = 0.0;
    for (std::size_t k = 0; k < kWidth; ++k) dot += side[k] * states.back()[k];
    for (std::size_t k = 0; k < kWidth; ++k) {
      side[k] -= dot * states.back()[k];
      square += side[k] * side[k];
    }
    for (std::size_t k = 0; k < kWidth; ++k)
      next[k] =
          cosine * states.back()[k] + std::sqrt(std::max(0.0, 1.0 - cosine * cosine) / square) * side[k];
    states.push_back(std::move(next));
  }
  CkaRecord record;
  record.scale = StateScale::token_rms;
  record.value = Matrix(states.size(), states.size());
  for (std::size_t a = 0; a < states.size(); ++a) {
    for (std::size_t b = 0; b < states.size(); ++b) {
      for (std::size_t k = 0; k < kWidth; ++k) record.value(a, b) += states[a][k] * states[b][k];
    }
    record.value(a, a) = 1.0;
  }
  record.replicates.assign(5, record.value);
  return record;
}

SegmentationOptions few_surrogates() {
  return {.seed = 5, .surrogates = 199, .bootstraps = 60, .threads = 2, .reproductions = false};
}

const Detection& of(const std::vector<Detection>& found, const std::string& detector,
                    TokenSet tokens = TokenSet::ordinary) {
  const auto at = std::find_if(found.begin(), found.end(), [&](const Detection& d) {
    return d.detector == detector && d.tokens == tokens;
  });
  return *at;
}

std::vector<int> edges_of(const Detection& d) {
  std::vector<int> edges;
  for (const EdgeEstimate& e : d.boundaries) edges.push_back(e.edge);
  return edges;
}

double steps(int block, std::initializer_list<int> edges, double size, std::size_t signal) {
  double level = 0.0;
  int sign = signal % 2 == 0 ? 1 : -1;
  for (const int edge : edges) {
    if (block >= edge) level += sign * size;
    sign = signal % 3 == 0 ? sign : -sign;
  }
  return level;
}

TEST(StepEvidence, OneOddBlockIsNoStep) {
  const std::size_t n = 24;
  const StepStatistics statistics(n, {0.5, 0.5}, {Group::attention, Group::output});
  Philox rng({.seed = 4, .stream = Stream::test});
  Matrix y(n, 2);
  for (double& x : y.data) x = rng.normal();
  Matrix odd = y, step = y;
  for (std::size_t j = 0; j < 2; ++j) {
    odd(12, j) += 40.0;
    for (std::size_t t = 12; t < n; ++t) step(t, j) += 40.0;
  }
  EXPECT_GT(statistics.at(step).statistic(0, 12), 5.0);
  EXPECT_LT(statistics.at(odd).statistic(0, 12), 1.0);
  EXPECT_LT(statistics.at(odd).statistic(0, 13), 1.0);
}

TEST(StepEvidence, AChangeAcrossTheUsualDirectionCountsMoreWhenWhitened) {
  const std::size_t n = 30;
  Philox rng({.seed = 8, .stream = Stream::test});
  Matrix y(n, 2);
  for (std::size_t t = 1; t < n; ++t) {
    const double both = rng.normal();
    for (std::size_t j = 0; j < 2; ++j) y(t, j) = y(t - 1, j) + both + 0.2 * rng.normal();
  }
  Matrix along = y, across = y;
  for (std::size_t t = 15; t < n; ++t) {
    along(t, 0) += 5.0;
    along(t, 1) += 5.0;
    across(t, 0) += 5.0;
    across(t, 1) -= 5.0;
  }
  const StepStatistics statistics(n, {0.5, 0.5}, {Group::attention, Group::output});
  const Matrix a = statistics.at(along).statistic, b = statistics.at(across).statistic;
  EXPECT_NEAR(a(0, 15) / b(0, 15), 1.0, 0.5);
  EXPECT_GT(b(1, 15), 2.0 * a(1, 15));
}

TEST(StepEvidence, AStepOfOneGroupStandsWholeInTheThirdStatistic) {
  const std::size_t n = 24;
  const StepStatistics statistics(n, {0.25, 0.25, 0.5}, {Group::attention, Group::attention, Group::output});
  Philox rng({.seed = 6, .stream = Stream::test});
  Matrix y(n, 3);
  for (double& x : y.data) x = rng.normal();
  for (std::size_t t = 12; t < n; ++t) {
    y(t, 0) += 30.0;
    y(t, 1) += 30.0;
  }
  const StepEvidence found = statistics.at(y);
  // (8/2) ln(1 + z^2/8) of both signals.
  const auto gain = [&](std::size_t j) { return 4.0 * std::log1p(found.z(12, j) * found.z(12, j) / 8.0); };
  EXPECT_NEAR(found.statistic(2, 12), 0.5 * (gain(0) + gain(1)), 1e-9);
  EXPECT_GT(found.statistic(2, 12), 1.8 * found.statistic(0, 12));
}

TEST(StepEvidence, TakingAStepOutLeavesNone) {
  const std::size_t n = 24;
  const StepStatistics statistics(n, {1.0}, {Group::output});
  Matrix y(n, 1);
  for (std::size_t t = 0; t < n; ++t) y(t, 0) = 0.1 * static_cast<double>(t) + (t >= 10 ? 5.0 : 0.0);
  std::vector<double> taken;
  const Matrix without = statistics.without_step(y, statistics.at(y), 10, &taken);
  EXPECT_NEAR(taken.at(0), 5.0, 1e-9);
  for (std::size_t t = 0; t < n; ++t) EXPECT_NEAR(without(t, 0), 0.1 * static_cast<double>(t), 1e-9);
}

TEST(StateJumps, PointsHaveTheSimilarityAndAPlantedJumpStandsOut) {
  const CkaRecord record = path(24, 6, [](int l) { return l == 0 ? 0.5 : l == 13 ? 0.1 : 0.01; });
  Matrix inner(24, 24);
  for (std::size_t i = 0; i < 24; ++i) {
    for (std::size_t j = 0; j < 24; ++j) inner(i, j) = record.value(i + 1, j + 1);
  }
  const Matrix points = points_of(inner);
  for (std::size_t i = 0; i < 24; ++i) {
    for (std::size_t j = 0; j < 24; ++j) {
      double dot = 0.0;
      for (std::size_t k = 0; k < points.cols; ++k) dot += points(i, k) * points(j, k);
      EXPECT_NEAR(dot, inner(i, j), 1e-5);
    }
  }
  const Matrix jumps = state_jumps(points, smallest_step(inner));
  for (std::size_t s = 0; s < 2; ++s) {
    const auto row = jumps.row(s);
    EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), 13);
  }
}

TEST(StepSearch, PlantedStepsAreFoundCountedAndPlaced) {
  for (const int n : {24, 32}) {
    const int first = n / 3, second = 2 * n / 3;
    Trace trace = record(n, 11, [&](int l, std::size_t j) { return steps(l, {first, second}, 7.0, j); });
    trace.cka.push_back(path(n, 11, [&](int l) { return l == first || l == second ? 0.12 : 0.01; }));
    const auto found = find_boundaries(trace, few_surrogates());
    ASSERT_EQ(found.size(), 6u);
    EXPECT_EQ(headline_detection(found), 0);
    EXPECT_EQ(found[0].detector, "either");
    EXPECT_EQ(found[0].role, DetectorRole::rule);
    for (const char* name : {"either", "signals", "states"}) {
      SCOPED_TRACE(name);
      const Detection& d = of(found, name);
      EXPECT_EQ(edges_of(d), (std::vector<int>{first, second}));
      EXPECT_EQ(d.verdict, "2 boundaries");
      EXPECT_EQ(d.selected_k, 2);
      for (const EdgeEstimate& e : d.boundaries) {
        EXPECT_LE(e.p_value, 0.05);
        EXPECT_GT(e.evidence, 1.0);
        EXPECT_LE(e.interval_90.lo, e.edge);
        EXPECT_GE(e.interval_90.hi, e.edge);
        EXPECT_EQ(e.histogram.size(), static_cast<std::size_t>(n - 1));
      }
      ASSERT_EQ(d.evidence.size(), static_cast<std::size_t>(n - 1));
      EXPECT_GT(d.evidence[static_cast<std::size_t>(first) - 1], 1.0);
    }
    EXPECT_EQ(of(found, "either").boundaries[0].found_by, "both");
  }
}

TEST(Rule, PCountsThatTwoDetectorsWereAsked) {
  StepSearch signals, states;
  states.undefined = "no states";
  signals.evidence.assign(23, 0.0);
  signals.null_sample.assign(199, 0.5);
  signals.steps = {{.edge = 10, .evidence = 1.2, .p_value = 0.03, .place = {}},
                   {.edge = 16, .evidence = 1.01, .p_value = 0.045, .place = {}}};
  signals.accepted = 2;
  const Detection deep = either_of(signals, states, TokenSet::ordinary, 24, 0.05);
  ASSERT_EQ(deep.boundaries.size(), 1u);
  EXPECT_EQ(deep.boundaries[0].edge, 10);
  EXPECT_DOUBLE_EQ(deep.boundaries[0].p_value, 0.03 * 1.25);
  ASSERT_EQ(deep.tests.size(), 2u);
  EXPECT_DOUBLE_EQ(deep.tests[1].p_value, 0.045 * 1.25);
  signals.evidence.assign(15, 0.0);
  signals.steps.back().edge = 6;
  const Detection shallow = either_of(signals, states, TokenSet::ordinary, 16, 0.05);
  EXPECT_TRUE(shallow.boundaries.empty());
  EXPECT_EQ(shallow.verdict, "smooth");
  EXPECT_DOUBLE_EQ(shallow.tests[0].p_value, 0.03 * 2.5);
  EXPECT_EQ(shallow.note, "without states: no states");
  signals.null_sample.assign(39, 0.5);
  EXPECT_EQ(either_of(signals, states, TokenSet::ordinary, 16, 0.05).note,
            "without states: no states; with 39 surrogates no p reaches 0.05: it takes 49");
}

// 60 of each: at a true rate of 5% eight or more happen in 1 of 100 runs.
TEST(StepSearch, SilentOnNoiseTrendsAndRelaxation) {
  const std::vector<std::pair<const char*, Course>> nulls = {
      {"noise", [](int, std::size_t) { return 0.0; }},
      {"trend", [](int l, std::size_t j) { return (j % 2 == 0 ? 1.0 : -1.0) * l; }},
      {"relaxation", [](int l, std::size_t j) { return (j % 2 == 0 ? 40.0 : -40.0) * std::exp(-0.7 * l); }},
      {"sigmoid",
       [](int l, std::size_t j) { return (j % 2 == 0 ? 9.0 : -9.0) / (1.0 + std::exp(-0.45 * (l - 11))); }},
      {"odd block", [](int l, std::size_t) { return l == 12 ? 10.0 : 0.0; }},
  };
  for (const auto& [name, shape] : nulls) {
    int found = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      SearchOptions options{.common = few_surrogates(), .intervals = false};
      options.common.surrogates = 99;
      found +=
          search_signals(record(24, 100 + seed, shape), TokenSet::ordinary, options).accepted > 0 ? 1 : 0;
    }
    EXPECT_LT(found, 8) << name;
  }
  int found = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Trace trace = record(24, seed, [](int, std::size_t) { return 0.0; });
    trace.cka.push_back(path(24, seed, [](int l) { return l == 0 ? 0.5 : l == 23 ? 0.3 : 0.01; }));
    SearchOptions options{.common = few_surrogates(), .intervals = false};
    options.common.surrogates = 99;
    found += search_states(trace, TokenSet::ordinary, options).accepted > 0 ? 1 : 0;
  }
  EXPECT_LT(found, 8) << "states";
}

TEST(StepSearch, AWeakNetworkOfStepsIsSeenMoreOftenThanNot) {
  int right = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Trace trace = record(28, 300 + seed, [](int l, std::size_t j) { return steps(l, {9, 19}, 6.0, j); });
    SearchOptions options{.common = few_surrogates(), .intervals = false};
    options.common.surrogates = 99;
    const StepSearch search = search_signals(trace, TokenSet::ordinary, options);
    right += search.accepted == 2 ? 1 : 0;
  }
  EXPECT_GE(right, 14);
}

TEST(StepSearch, AStartUpIsNoBoundaryAndAFirstThirdAtRestIs) {
  const auto start = find_boundaries(
      record(24, 21, [](int l, std::size_t) { return 40.0 * std::exp(-0.6 * l); }), few_surrogates());
  EXPECT_TRUE(edges_of(of(start, "either")).empty());
  const auto rest = find_boundaries(record(24, 21, [](int l, std::size_t) { return l < 6 ? 12.0 : 0.0; }),
                                    few_surrogates());
  EXPECT_EQ(edges_of(of(rest, "either")), std::vector<int>{6});
}

TEST(StepSearch, WhatIsMissingIsSaid) {
  const auto small = find_boundaries(record(6, 1, [](int, std::size_t) { return 0.0; }), few_surrogates());
  EXPECT_EQ(headline_detection(small), -1);
  EXPECT_NE(small[0].note.find("6 layers are too few"), std::string::npos) << small[0].note;
  const auto without = find_boundaries(record(24, 1, [](int, std::size_t) { return 0.0; }), few_surrogates());
  EXPECT_FALSE(of(without, "states").defined);
  EXPECT_NE(of(without, "states").note.find("no CKA matrix"), std::string::npos);
  EXPECT_EQ(headline_detection(without), 0);  // the signals alone decide
  EXPECT_NE(without[0].note.find("without states"), std::string::npos) << without[0].note;
}

TEST(StepSearch, ThreadsDoNotMatterAndSeedsDo) {
  Trace trace = record(24, 31, [](int l, std::size_t j) { return steps(l, {12}, 5.0, j); });
  trace.cka.push_back(path(24, 31, [](int l) { return l == 12 ? 0.08 : 0.01; }));
  SegmentationOptions options = few_surrogates();
  options.threads = 1;
  const auto one = find_boundaries(trace, options);
  options.threads = 3;
  const auto three = find_boundaries(trace, options);
  options.seed = 6;
  const auto other = find_boundaries(trace, options);
  for (std::size_t i = 0; i < one.size(); ++i) {
    ASSERT_EQ(one[i].evidence, three[i].evidence);
    ASSERT_EQ(one[i].boundaries.size(), three[i].boundaries.size());
    for (std::size_t b = 0; b < one[i].boundaries.size(); ++b)
      EXPECT_EQ(one[i].boundaries[b].histogram, three[i].boundaries[b].histogram);
    if (!one[i].defined) continue;
    EXPECT_EQ(one[i].tests[0].p_value, three[i].tests[0].p_value);
    EXPECT_EQ(one[i].tests[0].null_sample, three[i].tests[0].null_sample);
  }
  EXPECT_NE(one[1].tests[0].null_sample, other[1].tests[0].null_sample);
}

TEST(StepSearch, PowerGrowsWithTheStepsAndIsTheSignalsAlone) {
  const auto found = find_boundaries(record(28, 51, [](int, std::size_t) { return 0.0; }), few_surrogates());
  const auto& power = of(found, "signals").power;
  ASSERT_EQ(power.size(), 4u);
  for (std::size_t i = 1; i < power.size(); ++i) EXPECT_GE(power[i].share, power[i - 1].share);
  EXPECT_LT(power.front().share, 0.5);
  EXPECT_GT(power.back().share, 0.8);
  EXPECT_EQ(of(found, "either").power.size(), 4u);
  EXPECT_TRUE(of(found, "states").power.empty());
}

TEST(LayerSeries, ScalesAndWeights) {
  Trace trace = record(12, 41, [](int, std::size_t) { return 0.0; });
  const LayerSeries series = layer_series(trace, TokenSet::ordinary, 0, 3);
  ASSERT_EQ(series.used.size(), kRows.size());
  EXPECT_EQ(series.deviations.size(), 3u);
  double sum = 0.0;
  for (const double w : series.weight) sum += w;
  EXPECT_NEAR(sum, 1.0, 1e-12);
  const auto mean = mean_over_documents(trace.series[3]);  // update_ratio, a block series
  EXPECT_NEAR(series.y(5, 3), std::log(mean[5]), 1e-12);
  EXPECT_NEAR(series.y(5, 0), mean_over_documents(trace.series[0])[5], 1e-12);
  EXPECT_NEAR(series.y(5, 4), mean_over_documents(trace.series[4])[6], 1e-12);  // a state series: the output
  trace.series[3].by_doc(0, 4) = -50.0;  // clearly negative: no logarithm
  for (std::size_t d = 1; d < 12; ++d) trace.series[3].by_doc(d, 4) = -50.0;
  EXPECT_NEAR(layer_series(trace, TokenSet::ordinary, 0, 0).y(5, 3), mean[5], 1e-12);
  for (std::size_t d = 0; d < 12; ++d) trace.series[3].by_doc(d, 4) = std::nan("");
  const LayerSeries less = layer_series(trace, TokenSet::ordinary, 0, 0);
  ASSERT_EQ(less.left_out.size(), 1u);
  EXPECT_NE(less.left_out[0].find("update_ratio: undefined"), std::string::npos);
}

}  // namespace
}  // namespace strata
