// What an edge says, odd blocks, and names of segments, on records with planted profiles.
#include "strata/theory/edge_changes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "strata/base/philox.h"
#include "strata/theory/conclude.h"
#include "strata/theory/edge_words.h"
#include "strata/theory/segment_names.h"

namespace strata {
namespace {

constexpr int kBlocks = 24;
constexpr std::size_t kDocuments = 16;

struct Signal {
  const char* id;
  Axis axis;
  Group group;
  double level;
};
constexpr Signal kSignals[] = {{"attention_distance", Axis::block, Group::attention, 0.99},
                               {"attention_entropy", Axis::block, Group::attention, 0.7},
                               {"angular_step", Axis::block, Group::representation, 0.1},
                               {"update_ratio", Axis::block, Group::representation, 0.3},
                               {"matrix_entropy", Axis::state, Group::information, 0.6},
                               {"effective_rank", Axis::state, Group::information, 40.0},
                               {"lens_entropy", Axis::state, Group::output, 5.0},
                               {"lens_information", Axis::state, Group::output, 2.0}};

// Level times factor(signal, block), with layer noise of 0.3% and document noise `own`.
using Factor = std::function<double(const std::string&, int)>;
Trace planted(const Factor& factor, std::uint64_t seed = 1, double own = 0.002) {
  Trace trace;
  trace.model.n_layers = kBlocks;
  trace.documents.resize(kDocuments);
  Philox rng({.seed = seed, .stream = Stream::test, .a = 71});
  for (const Signal& signal : kSignals) {
    Series series{.id = signal.id, .unit = "1", .axis = signal.axis, .group = signal.group};
    const int shift = signal.axis == Axis::state ? 1 : 0;
    series.by_doc = Matrix(kDocuments, static_cast<std::size_t>(kBlocks + shift));
    series.weight.assign(kDocuments, 100.0);
    for (int i = 0; i < kBlocks + shift; ++i) {
      const double layer =
          signal.level * factor(signal.id, std::max(0, i - shift)) * (1.0 + 0.003 * rng.normal());
      for (std::size_t d = 0; d < kDocuments; ++d)
        series.by_doc(d, static_cast<std::size_t>(i)) = layer * (1.0 + own * rng.normal());
    }
    trace.series.push_back(std::move(series));
  }
  return trace;
}

Findings conclude_quickly(const Trace& trace) {
  return conclude(trace, {.seed = 3, .surrogates = 199, .bootstraps = 50});
}

bool in(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const SignalChange& signal_of(const EdgeChange& change, const std::string& id) {
  const auto found = std::find_if(change.signals.begin(), change.signals.end(),
                                  [&](const auto& s) { return s.signal == id; });
  if (found == change.signals.end()) throw std::runtime_error(id);
  return *found;
}

double attention_only(const std::string& id, int block) {
  if (block < 12) return 1.0;
  return id == "attention_distance" ? 0.60 / 0.99 : id == "attention_entropy" ? 0.8 : 1.0;
}

TEST(EdgeChanges, AStepInAttentionIsDescribedAsThat) {
  const Findings f = conclude_quickly(planted(attention_only));
  ASSERT_GE(f.edge_changes.size(), 1u);
  const EdgeChange& change = f.edge_changes[0];
  EXPECT_EQ(change.edge, 12);
  EXPECT_FALSE(change.forced);
  EXPECT_TRUE(change.lasting);
  const SignalChange& distance = signal_of(change, "attention_distance");
  EXPECT_NEAR(distance.before, 0.99, 0.005);
  EXPECT_NEAR(distance.after, 0.60, 0.005);
  EXPECT_NEAR(distance.step, -0.39, 0.006);
  EXPECT_LT(distance.step_sigmas, -10.0);
  EXPECT_LT(std::abs(signal_of(change, "update_ratio").step_sigmas), 3.0);
  ASSERT_EQ(change.groups.size(), 4u);
  EXPECT_EQ(change.groups[0].group, Group::attention);
  EXPECT_GT(change.groups[0].share, 0.6);
  EXPECT_TRUE(in(change.sentence,
                 "Edge 12: attention becomes more local (distance 0.99 to 0.60); attention carries it, p = "))
      << change.sentence;
  for (const char* other : {"state", "prediction", "representation"})
    EXPECT_FALSE(in(change.sentence, other)) << change.sentence;
  EXPECT_TRUE(in(f.sentences[0],
                 "1 boundary: edge 12 (signals or states, tested together at 5% against heavy-tailed layer "
                 "noise; strongest p = "))
      << f.sentences[0];
  EXPECT_EQ(f.sentences[2], change.sentence);
}

TEST(EdgeChanges, DriftIsNoStep) {
  // One direction in every signal, 1% a block, beside the step of attention.
  const Findings f = conclude_quickly(planted(
      [](const std::string& id, int block) { return attention_only(id, block) * std::exp(-0.01 * block); }));
  ASSERT_GE(f.edge_changes.size(), 1u);
  const SignalChange& drifting = signal_of(f.edge_changes[0], "update_ratio");
  EXPECT_LT(drifting.step, -0.005);  // the levels on both sides differ
  EXPECT_LT(std::abs(drifting.step_sigmas), 3.0);
  EXPECT_NEAR(drifting.slope_before, -0.003 * std::exp(-0.1), 0.002);
}

TEST(EdgeChanges, ANullHasNoDescription) {
  int odd = 0, boundaries = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Findings f = conclude_quickly(planted([](const std::string&, int) { return 1.0; }, seed));
    odd += f.odd_blocks.empty() ? 0 : 1;
    for (const EdgeChange& change : f.edge_changes) {
      boundaries += change.forced ? 0 : 1;
      EXPECT_EQ(change.forced, in(change.sentence, "Forced edge")) << change.sentence;
    }
    if (f.detections[static_cast<std::size_t>(f.headline)].selected_k > 0) continue;
    EXPECT_TRUE(in(f.sentences[0], "No boundary: the strongest edge, ")) << f.sentences[0];
    EXPECT_TRUE(in(f.sentences[0], "(signals; signals or states")) << f.sentences[0];
    for (const std::string& sentence : f.sentences) EXPECT_FALSE(sentence.starts_with("Edge ")) << sentence;
    for (const Segment& segment : f.segments)
      EXPECT_TRUE(segment.name.starts_with("Forced ")) << segment.name;
  }
  EXPECT_LE(boundaries, 2);
  EXPECT_LE(odd, 2);
}

TEST(EdgeChanges, AnOddBlockIsNamedAndIsNoBoundary) {
  const Findings f = conclude_quickly(planted(
      [](const std::string& id, int block) { return block == 13 && id != "lens_entropy" ? 1.3 : 1.0; }));
  ASSERT_EQ(f.odd_blocks.size(), 1u);
  EXPECT_EQ(f.odd_blocks[0].block, 13);
  EXPECT_LE(f.odd_blocks[0].p_value, 0.05);
  EXPECT_GE(f.odd_blocks[0].signals.size(), 4u);
  EXPECT_EQ(std::count(f.odd_blocks[0].signals.begin(), f.odd_blocks[0].signals.end(), "lens_entropy"), 0);
  EXPECT_EQ(f.detections[static_cast<std::size_t>(f.headline)].selected_k, 0);
  const auto named = std::find_if(f.sentences.begin(), f.sentences.end(), [](const std::string& s) {
    return s.starts_with("Odd block, whose signals are off and come back: block 13 (");
  });
  EXPECT_NE(named, f.sentences.end());
}

TEST(EdgeChanges, IntervalIsThatOfTheDocuments) {
  // Every document has a step of its own: standard deviation 0.05 about -0.39.
  Trace trace = planted(attention_only, 1, 0.0);
  Philox rng({.seed = 9, .stream = Stream::test, .a = 72});
  Series& series = trace.series[0];
  double sum = 0.0, square = 0.0;
  for (std::size_t d = 0; d < kDocuments; ++d) {
    const double own = 0.05 * rng.normal();
    sum += own;
    square += own * own;
    for (std::size_t l = 12; l < kBlocks; ++l) series.by_doc(d, l) += own;
  }
  const double n = kDocuments;
  const double error = std::sqrt((square - sum * sum / n) / (n - 1.0) / n);
  const Findings f = conclude(trace, {.seed = 3, .surrogates = 99, .bootstraps = 400});
  ASSERT_FALSE(f.edge_changes.empty());
  const SignalChange& distance = signal_of(f.edge_changes[0], "attention_distance");
  const double width = distance.step_interval_90.hi - distance.step_interval_90.lo;
  EXPECT_NEAR(width / (2.0 * 1.645 * error), 1.0, 0.2);
  EXPECT_NEAR(0.5 * (distance.step_interval_90.hi + distance.step_interval_90.lo), distance.step, error);
}

TEST(EdgeChanges, SinkTokensOfTheRule) {
  Trace trace = planted(attention_only);
  const Trace smooth = planted([](const std::string&, int) { return 1.0; }, 2);
  for (Series series : smooth.series) {
    series.tokens = TokenSet::all;
    trace.series.push_back(std::move(series));
  }
  Findings f = conclude_quickly(trace);
  ASSERT_FALSE(f.edge_changes.empty());
  EXPECT_EQ(f.edge_changes[0].with_sinks, "no");
  EXPECT_TRUE(in(f.edge_changes[0].sentence, "not found when sink tokens are counted"));
  for (std::size_t j = 0; j < smooth.series.size(); ++j) {
    trace.series[j + smooth.series.size()] = trace.series[j];
    trace.series[j + smooth.series.size()].tokens = TokenSet::all;
  }
  f = conclude_quickly(trace);
  EXPECT_EQ(f.edge_changes[0].with_sinks, "yes");
}

TEST(EdgeWords, NumbersToCompare) {
  EXPECT_EQ(show_pair(0.99, 0.6), "0.99 to 0.60");
  EXPECT_EQ(show_pair(0.99, 1.191), "0.99 to 1.19");
  EXPECT_EQ(show_pair(0.07, 0.001), "0.0700 to 0.0010");
  EXPECT_EQ(show_pair(0.0049, 4.8e-6), "0.0049 to 4.8e-06");
  EXPECT_EQ(show_pair(157.2, 66.0), "157 to 66");
  EXPECT_EQ(show_pair(0.0, 0.5), "0 to 0.50");
  EXPECT_EQ(words_of("attention_distance").down, "attention becomes more local");
  EXPECT_EQ(words_of("unheard_of").up, "rises");
}

TEST(EdgeWords, ASentenceSaysWhatLastsInEveryText) {
  EdgeChange change{.edge = 16, .with_sinks = "no"};
  const auto add = [&](const char* id, Group group, double before, double after, double sigmas,
                       Interval interval) {
    change.signals.push_back({.signal = id,
                              .group = group,
                              .before = before,
                              .after = after,
                              .step = after - before,
                              .step_interval_90 = interval,
                              .step_sigmas = sigmas});
    change.groups.push_back({.group = group, .gain = std::abs(sigmas)});
  };
  add("attention_distance", Group::attention, 0.99, 0.60, -12.0, {-0.4, -0.38});
  add("cka_shift", Group::representation, 0.07, 0.001, -8.0, {kUndefinedValue, kUndefinedValue});
  add("lens_kl", Group::output, 2.0, 1.9, 7.0, {-0.12, -0.08});  // the levels moved the other way
  add("matrix_entropy", Group::information, 0.60, 0.62, 3.5,
      {-0.01, 0.05});  // not in every half of the documents
  EdgeEstimate estimate{.edge = 16};
  estimate.p_value = 0.001;
  estimate.found_by = "signals";
  change.state_jump = 0.4;
  change.state_usual = 0.01;
  EXPECT_EQ(edge_sentence(change, estimate),
            "Edge 16: attention becomes more local (distance 0.99 to 0.60) and blocks change the similarity "
            "of states "
            "less (1 - CKA a block 0.0700 to 0.0010); attention and representation carry it, p = "
            "0.001; not "
            "found when sink tokens are counted.");
  estimate.found_by = "states";
  change.signals.clear();
  change.with_sinks = "yes";
  EXPECT_EQ(edge_sentence(change, estimate),
            "Edge 16: states jump in block 16 (1 - CKA 0.40, in the blocks beside it 0.010); p = 0.001.");
  change.state_jump = 0.011;
  change.forced = true;
  change.lasting = false;
  EXPECT_EQ(edge_sentence(change, estimate),
            "Forced edge 16: the similarity of states changes, no single signal does by 3 layer sigmas, p = "
            "0.001, no "
            "boundary; one odd block, the blocks behind it are as those before it.");
}

// ---- Ends and names ----

Findings with_boundaries(const std::vector<int>& edges) {
  Findings f;
  Detection d;
  d.detector = "either";
  d.role = DetectorRole::rule;
  d.defined = true;
  for (const int e : edges) d.boundaries.push_back({.edge = e});
  d.selected_k = static_cast<int>(edges.size());
  f.detections = {d};
  f.headline = 0;
  return f;
}

TEST(SegmentNames, EndsAreWhereBlocksMoveStatesMore) {
  const auto ends = [](const Factor& factor) {
    Findings f = with_boundaries({10});
    find_ends(planted(factor), f);
    return std::vector<int>{f.start_up.begin, f.start_up.end, f.read_out.begin, f.read_out.end};
  };
  EXPECT_EQ(ends([](const std::string&, int) { return 1.0; }), (std::vector<int>{0, 0, kBlocks, kBlocks}));
  EXPECT_EQ(ends([](const std::string&, int block) {
              return block < 2 ? 4.0 : block == kBlocks - 1 ? 3.0 : 1.0;
            }),
            (std::vector<int>{0, 2, kBlocks - 1, kBlocks}));
  // A block that opens a segment may be loud; an inner one that is loud hides the start-up.
  EXPECT_EQ(ends([](const std::string&, int block) { return block < 2     ? 4.0
                                                            : block == 10 ? 9.0
                                                                          : 1.0; })[1],
            2);
  EXPECT_EQ(ends([](const std::string&, int block) { return block < 2     ? 4.0
                                                            : block == 12 ? 9.0
                                                                          : 1.0; })[1],
            0);
  // Never more than startup_blocks and two: block 21 counts as an inner one.
  EXPECT_EQ(ends([](const std::string&, int block) { return block < 4    ? 9.0
                                                            : block > 20 ? 5.0
                                                                         : 1.0; }),
            (std::vector<int>{0, 4, kBlocks, kBlocks}));
  Findings undefined;
  find_ends(planted([](const std::string&, int) { return 1.0; }), undefined);
  EXPECT_EQ(undefined.start_up.end, 0);
}

std::vector<std::string> names(const Factor& factor, const std::vector<int>& edges, bool forced = false) {
  std::vector<std::string> result;
  for (const Segment& segment :
       named_segments(planted(factor), edges, forced, {"start-up", 0, 2}, {"read-out", kBlocks - 1, kBlocks}))
    result.push_back(segment.name);
  return result;
}

TEST(SegmentNames, ThePapersOnlyInItsOrder) {
  const auto distance = [](double a, double b, double c) {
    return [=](const std::string& id, int block) {
      return id != "attention_distance" ? 1.0 : block < 8 ? a : block < 16 ? b : c;
    };
  };
  EXPECT_EQ(names(distance(0.3, 0.6, 0.9), {8, 16}),
            (std::vector<std::string>{"Local", "Intermediate", "Global"}));
  EXPECT_EQ(names(distance(0.9, 0.6, 0.3), {8, 16}),
            (std::vector<std::string>{"far attention", "Segment 2", "local attention"}));
  EXPECT_EQ(names(distance(0.3, 0.6, 0.9), {8, 16}, true),
            (std::vector<std::string>{"Forced 1", "Forced 2", "Forced 3"}));
  EXPECT_EQ(names(distance(0.3, 0.6, 0.9), {8}),
            (std::vector<std::string>{"local attention", "far attention"}));
  EXPECT_EQ(names(distance(0.5, 0.5, 0.5), {8}), (std::vector<std::string>{"Segment 1", "Segment 2"}));
}

TEST(SegmentNames, WhatHappens) {
  EXPECT_EQ(names([](const std::string& id,
                     int block) { return id == "angular_step" && block >= 8 && block < 16 ? 0.01 : 1.0; },
                  {8, 16}),
            (std::vector<std::string>{"Segment 1", "states at rest", "Segment 3"}));
  // The prediction forms behind block 16; attention does not fall, and rises at the end only.
  Trace trace = planted([](const std::string& id, int block) {
    return id != "attention_distance" ? 1.0 : block < 8 ? 0.90 : block < 16 ? 0.85 : 0.95;
  });
  Series lens = trace.series[6];
  lens.id = "lens_kl";
  for (std::size_t d = 0; d < kDocuments; ++d) {
    for (int s = 0; s <= kBlocks; ++s)
      lens.by_doc(d, static_cast<std::size_t>(s)) = s <= 16 ? 8.0 - 0.1 * s : 6.4 - 0.8 * (s - 16);
  }
  trace.series.push_back(lens);
  const Segment start{"start-up", 0, 0}, none{"read-out", kBlocks, kBlocks};
  const auto forming = named_segments(trace, {16}, false, start, none);
  EXPECT_EQ(forming[0].name, "Segment 1");
  EXPECT_EQ(forming[1].name, "prediction forming");
  EXPECT_EQ(forming[1].end, kBlocks);
  EXPECT_EQ(named_segments(trace, {8, 16}, false, start, none)[2].name, "Global");
}

}  // namespace
}  // namespace strata
