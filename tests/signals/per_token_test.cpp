// Signals of one number per token against closed forms; attention folds; sink tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "strata/base/philox.h"
#include "strata/signals/angular_step.h"
#include "strata/signals/attention_distance.h"
#include "strata/signals/attention_entropy.h"
#include "strata/signals/block_influence.h"
#include "strata/signals/residual_rms.h"
#include "strata/signals/token_math.h"
#include "strata/signals/update_ratio.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

constexpr double kFloat = 1e-6;  // token values are kept in float32

TEST(TokenMath, AnglesAreExactAtEveryScale) {
  const std::vector<float> a = {2.0f, 0.0f, 0.0f};
  EXPECT_DOUBLE_EQ(angle(a.data(), std::vector<float>{0.0f, 3.0f, 0.0f}.data(), 3), 0.5);
  EXPECT_DOUBLE_EQ(angle(a.data(), std::vector<float>{-0.5f, 0.0f, 0.0f}.data(), 3), 1.0);
  EXPECT_EQ(angle(a.data(), std::vector<float>{1e20f, 0.0f, 0.0f}.data(), 3), 0.0);
  for (const float e : {1.0f, 1e-2f, 1e-4f, 1e-6f, 1e-9f, 1e-15f}) {
    const std::vector<float> b = {1.0f, e, 0.0f};
    const double exact = std::atan(static_cast<double>(e)) / std::numbers::pi;
    EXPECT_NEAR(angle(a.data(), b.data(), 3) / exact, 1.0, 1e-12) << e;
    const double square = static_cast<double>(e) * e, norm = std::sqrt(1.0 + square);
    EXPECT_NEAR(cosine_distance(a.data(), b.data(), 3) / (square / (norm * (1.0 + norm))), 1.0, 1e-12) << e;
  }
}

// A direction that no coordinate knows about, against long double.
TEST(TokenMath, AngleOfGeneralVectors) {
  constexpr std::int64_t kWidth = 67;
  std::vector<float> a(kWidth), b(kWidth);
  Philox rng({.seed = 1, .stream = Stream::test});
  rng.fill_normal(a);
  for (const double size : {1.0, 1e-1, 1e-3}) {
    for (std::size_t i = 0; i < a.size(); ++i) b[i] = static_cast<float>(a[i] + size * rng.normal());
    long double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      ab += static_cast<long double>(a[i]) * b[i];
      aa += static_cast<long double>(a[i]) * a[i];
      bb += static_cast<long double>(b[i]) * b[i];
    }
    const auto cross = std::sqrt(aa * bb - ab * ab);
    const auto exact = static_cast<double>(std::atan2(cross, ab)) / std::numbers::pi;
    EXPECT_NEAR(angle(a.data(), b.data(), kWidth) / exact, 1.0, 1e-12) << size;
    const auto one_minus = static_cast<double>((aa * bb - ab * ab) / (aa * bb + ab * std::sqrt(aa * bb)));
    EXPECT_NEAR(cosine_distance(a.data(), b.data(), kWidth) / one_minus, 1.0, 1e-12) << size;
  }
}

TEST(TokenMath, ZeroVectorsHaveNoAngle) {
  const std::vector<float> a = {1.0f, 2.0f}, zero = {0.0f, 0.0f};
  for (const auto f : {&angle, &cosine_distance}) {
    EXPECT_TRUE(std::isnan(f(a.data(), zero.data(), 2)));
    EXPECT_TRUE(std::isnan(f(zero.data(), a.data(), 2)));
  }
}

// Two documents, the second of two windows. Turns of the tokens of document 0: opposite at position 0,
// then orthogonal, none, and orthogonal.
class PerToken : public testing::Test {
 protected:
  PerToken() {
    const std::vector<std::vector<float>> out = {{-1, 0}, {0, 2}, {3, 0}, {0, 1},
                                                 {1, 0},  {0, 1}, {1, 0}, {0, 1}};
    for (std::size_t t = 0; t < out.size(); ++t) {
      world.set(0, static_cast<std::int64_t>(t), {1, 0});
      world.set(1, static_cast<std::int64_t>(t), out[t]);
    }
  }
  World world{1, 2, {{4}, {2, 2}}};
};

TEST_F(PerToken, AngularStepIsTheMeanAngle) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, angular_step_signal());
  const Series& ordinary = series(trace, "angular_step", TokenSet::ordinary);
  EXPECT_NEAR(ordinary.by_doc(0, 0), (0.5 + 0.0 + 0.5) / 3, kFloat);
  EXPECT_NEAR(ordinary.by_doc(1, 0), 0.5, kFloat);
  EXPECT_EQ(ordinary.weight, (std::vector<double>{3, 2}));
  const Series& all = series(trace, "angular_step", TokenSet::all);
  EXPECT_NEAR(all.by_doc(0, 0), (1.0 + 0.5 + 0.0 + 0.5) / 4, kFloat);
  EXPECT_NEAR(all.by_doc(1, 0), 0.25, kFloat);
  EXPECT_EQ(all.weight, (std::vector<double>{4, 4}));
}

TEST_F(PerToken, BlockInfluenceIsOneMinusTheMeanCosine) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, block_influence_signal());
  EXPECT_NEAR(series(trace, "block_influence", TokenSet::ordinary).by_doc(0, 0), 2.0 / 3, kFloat);
  EXPECT_NEAR(series(trace, "block_influence", TokenSet::all).by_doc(0, 0), (2.0 + 1 + 0 + 1) / 4, kFloat);
  EXPECT_NEAR(series(trace, "block_influence", TokenSet::all).by_doc(1, 0), 0.5, kFloat);
}

TEST(UpdateRatio, IsTheMedianNotTheMean) {
  World world(1, 2, {{4}});
  const std::vector<float> ratio = {5, 1, 2, 9};
  for (std::int64_t t = 0; t < 4; ++t) {
    world.set(0, t, {0, 2});
    world.set(1, t, {2 * ratio[static_cast<std::size_t>(t)], 2});
  }
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, update_ratio_signal());
  EXPECT_NEAR(series(trace, "update_ratio", TokenSet::ordinary).by_doc(0, 0), 2.0, kFloat);
  EXPECT_NEAR(series(trace, "update_ratio", TokenSet::all).by_doc(0, 0), 3.5, kFloat);
}

TEST(ResidualRms, IsTheMedianAtEveryState) {
  World world(1, 2, {{4}});
  const std::vector<float> size = {5, 1, 2, 9};
  for (std::int64_t t = 0; t < 4; ++t) {
    const float s = size[static_cast<std::size_t>(t)];
    world.set(0, t, {s, -s});
    world.set(1, t, {7 * s, s});  // rms 5 s
  }
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, residual_rms_signal());
  const Series& ordinary = series(trace, "residual_rms", TokenSet::ordinary);
  ASSERT_EQ(ordinary.by_doc.cols, 2u);
  EXPECT_NEAR(ordinary.by_doc(0, 0), 2.0, kFloat);
  EXPECT_NEAR(ordinary.by_doc(0, 1), 10.0, kFloat);
  EXPECT_NEAR(series(trace, "residual_rms", TokenSet::all).by_doc(0, 1), 17.5, kFloat);
}

TEST(PerTokenSignals, ZeroVectorsAreLeftOutAndNeverCountAsZero) {
  World world(1, 2, {{3}, {3}});
  for (std::int64_t t = 0; t < 6; ++t) {
    world.set(0, t, t == 1 || t > 2 ? std::vector<float>{0, 0} : std::vector<float>{1, 0});
    world.set(1, t, {0, 1});
  }
  const SweepContext context = world.context();
  for (const Signal& signal : {angular_step_signal(), block_influence_signal(), update_ratio_signal()}) {
    const Trace trace = drive(world, context, signal);
    const Series& all = series(trace, signal.series[0].id, TokenSet::all);
    const double each = all.id == "angular_step" ? 0.5 : all.id == "block_influence" ? 1.0 : std::sqrt(2.0);
    EXPECT_NEAR(all.by_doc(0, 0), each, kFloat) << all.id;
    EXPECT_EQ(all.weight[0], 2.0);
    EXPECT_TRUE(std::isnan(all.by_doc(1, 0))) << all.id;
    EXPECT_EQ(all.weight[1], 0.0);
  }
}

// Two heads; every query's sums say who it is.
class Attention : public testing::Test {
 protected:
  Attention() {
    world.attention.resize(1);
    for (std::size_t k = 0; k < 4; ++k) {
      for (int t = 0; t < 64 + 72; ++t) {
        world.attention[0][k].push_back(1000.0 * static_cast<double>(k + 1) + t);
      }
    }
    world.set(1, 64 + 70, {90.0f, 0.0f});  // massive: position 70 of document 1
  }
  World world{1, 2, {{64}, {72}}};
};

TEST_F(Attention, MeanOverHeadsAndQueriesFrom64On) {
  const SweepContext context = world.context();
  const std::vector<Signal> both = {attention_distance_signal(), attention_entropy_signal()};
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, both, tracker);
  // Queries 64..71 of the second window are tokens 128..135; 134 is a sink.
  const double every = (128 + 135) / 2.0, without = (8 * every - 134) / 7;
  EXPECT_NEAR(series(trace, "attention_distance", TokenSet::all).by_doc(1, 0), (1000 + every) / 2, 1e-3);
  EXPECT_NEAR(series(trace, "attention_distance", TokenSet::ordinary).by_doc(1, 0), (3000 + without) / 2,
              1e-3);
  EXPECT_NEAR(series(trace, "attention_entropy", TokenSet::all).by_doc(1, 0), (2000 + every) / 2, 1e-3);
  EXPECT_NEAR(series(trace, "attention_entropy", TokenSet::ordinary).by_doc(1, 0), (4000 + without) / 2,
              1e-3);
  EXPECT_EQ(series(trace, "attention_entropy", TokenSet::ordinary).weight, (std::vector<double>{0, 7}));
}

TEST_F(Attention, ShortWindowsAreUndefinedWithANote) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, attention_distance_signal());
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const Series& distance = series(trace, "attention_distance", set);
    EXPECT_TRUE(std::isnan(distance.by_doc(0, 0)));
    EXPECT_EQ(distance.weight[0], 0.0);
    EXPECT_NE(distance.note.find("undefined"), std::string::npos);
  }
  World longer(1, 2, {{65}});
  longer.attention.resize(1);
  for (auto& values : longer.attention[0]) values.assign(65, 3.0);
  const SweepContext longer_context = longer.context();
  const Trace defined = drive(longer, longer_context, attention_distance_signal());
  EXPECT_NEAR(series(defined, "attention_distance", TokenSet::all).by_doc(0, 0), 1.5, kFloat);
  EXPECT_TRUE(series(defined, "attention_distance", TokenSet::all).note.empty());
}

// A query whose reduced row is undefined (NaN) is left out, and counted nowhere.
TEST_F(Attention, UndefinedQueriesAreLeftOut) {
  for (std::size_t t = 128; t < 132; ++t) world.attention[0][2][t] = std::nan("");
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, attention_distance_signal());
  const Series& ordinary = series(trace, "attention_distance", TokenSet::ordinary);
  EXPECT_NEAR(ordinary.by_doc(1, 0), (3000 + (132 + 133 + 135) / 3.0) / 2, 1e-3);
  EXPECT_EQ(ordinary.weight[1], 3.0);
}

// Tokens 0..5: window 0, 6..11: window 1 (document 0); 12..17: document 1, a thousand times larger.
class Sinks : public testing::Test {
 protected:
  Sinks() {
    for (int state = 0; state <= 3; ++state) {
      for (std::int64_t t = 12; t < 18; ++t) world.set(state, t, {1000.0f, -500.0f});
    }
    world.set(0, 8, {2.0f, 0.0f});    // later massive: ordinary at no depth
    world.set(1, 8, {1.0f, -60.0f});  // window 1, position 2, states 1 and 2
    world.set(2, 8, {-80.0f, 1.0f});
    world.set(2, 4, {10.0f, 10.0f});    // an RMS of exactly 10 times the median: not massive
    world.set(3, 6, {10000.0f, 1.0f});  // position 0
    world.set(3, 9, {10.001f, 10.001f});
  }
  World world{3, 2, {{6, 6}, {6}}};
};

TEST_F(Sinks, ClassesHoldAtEveryDepthAndDocumentsAreJudgedAlone) {
  const SweepContext context = world.context();
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, std::span<const Signal>{}, tracker);
  for (std::size_t t = 0; t < 18; ++t) {
    const TokenClass expected = t == 0 || t == 6 || t == 12 ? TokenClass::first
                                : t == 8 || t == 9          ? TokenClass::massive
                                                            : TokenClass::ordinary;
    EXPECT_EQ(tracker.classes()[t], expected) << t;
  }
  EXPECT_EQ(std::vector<int>(tracker.latest_onset().begin(), tracker.latest_onset().end()),
            (std::vector<int>{-1, 3, -1}));
  const Series& all = series(trace, "max_activation", TokenSet::all);
  const Series& ordinary = series(trace, "max_activation", TokenSet::ordinary);
  EXPECT_EQ(std::vector<double>(all.by_doc.data),
            (std::vector<double>{2, 60, 80, 10000, 1000, 1000, 1000, 1000}));
  EXPECT_EQ(std::vector<double>(ordinary.by_doc.data),
            (std::vector<double>{1, 1, 10, 1, 1000, 1000, 1000, 1000}));
  EXPECT_EQ(all.weight, (std::vector<double>{12, 6}));
  EXPECT_EQ(ordinary.weight, (std::vector<double>{8, 5}));
}

TEST_F(Sinks, RateCountsEveryTokenAndTheListLeavesOutPositionZero) {
  const SweepContext context = world.context();
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, std::span<const Signal>{}, tracker);
  const Series& rate = series(trace, "sink_rate", TokenSet::all);
  EXPECT_EQ(std::vector<double>(rate.by_doc.data),
            (std::vector<double>{0, 1.0 / 12, 1.0 / 12, 2.0 / 12, 0, 0, 0, 0}));
  EXPECT_EQ(find_series(trace, "sink_rate", TokenSet::ordinary), nullptr);
  EXPECT_NE(rate.note.find("position 0 is massive in 1 of 3 windows: from state 3 to state 3, 7071 times the "
                           "median token RMS (medians), largest in dimension 0 in 1 of them"),
            std::string::npos)
      << rate.note;
  EXPECT_EQ(trace.n_massive, 2);
  ASSERT_EQ(trace.sinks.size(), 2u);
  const SinkToken& largest = trace.sinks[0];
  EXPECT_EQ(largest.document, 0);
  EXPECT_EQ(largest.window, 1);
  EXPECT_EQ(largest.position, 2);
  EXPECT_EQ(largest.token_id, 8);
  EXPECT_EQ(largest.onset_state, 1);
  EXPECT_EQ(largest.offset_state, 2);
  EXPECT_EQ(largest.dimension, 0);
  EXPECT_NEAR(largest.peak_ratio, std::sqrt((80.0 * 80 + 1) / 2), 1e-5);
  EXPECT_EQ(trace.sinks[1].position, 3);
  EXPECT_EQ(trace.sinks[1].onset_state, 3);
  EXPECT_EQ(trace.sinks[1].offset_state, 3);
}

TEST_F(Sinks, OtherThresholdsAreCounted) {
  const SweepContext context = world.context();
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, std::span<const Signal>{}, tracker);
  ASSERT_EQ(trace.mask_counts.size(), 3u);
  EXPECT_EQ(trace.mask_counts[0].ratio, 4.0);
  EXPECT_EQ(trace.mask_counts[0].tokens, 3);
  EXPECT_EQ(trace.mask_counts[1].ratio, kMassiveRatio);
  EXPECT_EQ(trace.mask_counts[1].tokens, trace.n_massive);
  EXPECT_EQ(trace.mask_counts[2].ratio, 50.0);
  EXPECT_EQ(trace.mask_counts[2].tokens, 1);
}

TEST_F(Sinks, TheirWayThroughTheStatesIsRecorded) {
  const SweepContext context = world.context();
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, std::span<const Signal>{}, tracker);
  ASSERT_EQ(trace.sink_paths.size(), 3u);  // position 0, token 8, token 9
  const SinkPath& first = trace.sink_paths[0];
  EXPECT_TRUE(first.first_position);
  EXPECT_EQ(first.tokens, 1);
  EXPECT_EQ(first.of, 3);
  EXPECT_NEAR(first.length[3], 10000.0, 0.1);
  EXPECT_NEAR(first.length[2], std::sqrt(2.0), 1e-6);
  EXPECT_EQ(first.massive, (std::vector<double>{0, 0, 0, 1}));
  const SinkPath& word = trace.sink_paths[1];
  EXPECT_EQ(word.token_id, 8);
  EXPECT_EQ(word.of, 1);
  EXPECT_EQ(word.massive, (std::vector<double>{0, 1, 1, 0}));
  EXPECT_EQ(word.dimension[1], 1);
  EXPECT_EQ(word.dimension[2], 0);
}

// Two tokens of equal length, one along an axis and one along the diagonal: a rotation of each other.
TEST(SinkMask, DoesNotDependOnTheBasis) {
  for (const float ratio : {9.9f, 10.1f}) {
    World world(1, 64, {{70}});
    std::vector<float> axis(64, 0.0f);
    axis[5] = ratio * 8.0f;
    world.set(1, 20, axis);
    world.set(1, 30, std::vector<float>(64, ratio));
    const SweepContext context = world.context();
    SinkTracker tracker(context);
    (void)drive(world, context, std::span<const Signal>{}, tracker);
    for (const std::size_t t : {20, 30}) {
      EXPECT_EQ(tracker.classes()[t], ratio > 10.0f ? TokenClass::massive : TokenClass::ordinary) << t;
    }
  }
}

TEST(SinkList, LargestFirstAtMostOneHundred) {
  World world(1, 1, {{300}});
  for (int i = 0; i < 110; ++i) world.set(1, 10 + i, {100.0f + static_cast<float>((i * 37) % 110)});
  const SweepContext context = world.context();
  SinkTracker tracker(context);
  const Trace trace = drive(world, context, std::span<const Signal>{}, tracker);
  EXPECT_EQ(trace.n_massive, 110);
  EXPECT_NE(series(trace, "sink_rate", TokenSet::all).note.find("position 0 is massive in none of 1 window"),
            std::string::npos);
  ASSERT_EQ(trace.sinks.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i)
    EXPECT_DOUBLE_EQ(trace.sinks[i].peak_ratio, 209.0 - static_cast<double>(i));
}

}  // namespace
}  // namespace strata
