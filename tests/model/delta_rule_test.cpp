// The gated delta rule against the recurrence written a second time.
#include "strata/model/delta_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/support/plain_delta.h"

namespace strata {
namespace {

using test::DeltaCase;
using test::DeltaShape;
using test::DeltaWithout;
using test::Doubles;
using test::kDeltaEps;
using test::kDeltaShapes;
using test::kLargeDelta;
using test::kLongDelta;
using test::plain_delta_rule;
using test::PlainDeltaInput;
using test::PlainDeltaSums;
using test::shift_values;

// Largest difference over the reference's RMS.
double delta_distance(const std::vector<float>& ours, const Doubles& reference) {
  double largest = 0.0, square = 0.0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(ours[i]) - reference[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
    square += reference[i] * reference[i];
  }
  return largest / std::sqrt(square / static_cast<double>(ours.size()));
}

double delta_distance(const DeltaCase& c, DeltaWithout without = DeltaWithout::nothing) {
  return delta_distance(c.run(), plain_delta_rule(c, PlainDeltaInput(c), without));
}

TEST(DeltaRule, MatchesThePlainRecurrence) {
  std::uint64_t seed = 10;
  for (const DeltaShape& shape : kDeltaShapes)
    EXPECT_LT(delta_distance(DeltaCase(shape, seed += 10)), 1e-5) << seed;
  EXPECT_LT(delta_distance(DeltaCase(kLargeDelta, 1)), 1e-5);
}

TEST(DeltaRule, ThePlainRecurrenceWithoutAPartDiffers) {
  const DeltaCase c({{.key_heads = 2, .value_heads = 6, .key_dim = 16, .value_dim = 8, .kernel = 4}, 100}, 2);
  ASSERT_LT(delta_distance(c), 1e-5);
  for (const DeltaWithout without :
       {DeltaWithout::convolution, DeltaWithout::earlier_taps, DeltaWithout::silu, DeltaWithout::unit_query,
        DeltaWithout::unit_key, DeltaWithout::query_scale, DeltaWithout::decay, DeltaWithout::dt_bias,
        DeltaWithout::strength, DeltaWithout::correction, DeltaWithout::norm, DeltaWithout::norm_weight,
        DeltaWithout::gate, DeltaWithout::grouping}) {
    EXPECT_GT(delta_distance(c, without), 1e-3) << static_cast<int>(without);
  }
}

// Where beta is near 0, so is o, and nothing normalises it: the largest of a product's values are then dozens
// of times the RMS, and their rounding counts by their own size.
double own_distance(const DeltaCase& c) {
  const std::vector<float> ours = c.run();
  const Doubles reference = plain_delta_rule(c, PlainDeltaInput(c));
  const double square = std::inner_product(reference.begin(), reference.end(), reference.begin(), 0.0);
  const double rms = std::sqrt(square / static_cast<double>(ours.size()));
  double largest = 0.0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(ours[i]) - reference[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference / std::max(rms, std::fabs(reference[i])));
  }
  return largest;
}

// Decays from e^-1000 to e^-1e-5 a token, and all of them in one window; beta near 0 and 1.
TEST(DeltaRule, MatchesAtTheEndsOfItsGates) {
  for (const float decay : {-12.0f, -3.0f, 3.0f, 30.0f}) {
    for (const float strength : {-14.0f, 0.0f, 14.0f}) {
      DeltaCase c(kLargeDelta, 3);
      c.eps = kDeltaEps;
      shift_values(c.a, decay);
      shift_values(c.b, strength);
      EXPECT_LT(own_distance(c), 1e-5) << decay << ' ' << strength;
    }
  }
  DeltaCase mixed(kLargeDelta, 4);
  mixed.eps = kDeltaEps;
  for (float& a : mixed.a) a *= 12.0f;
  for (float& b : mixed.b) b *= 8.0f;
  for (float& rate : mixed.decay_rate) rate *= 16.0f;
  EXPECT_LT(delta_distance(mixed), 1e-5);
}

TEST(DeltaRule, LongWindowsStayAccurate) {
  for (const float decay : {-12.0f, 0.0f, 30.0f}) {
    DeltaCase c(kLongDelta, 5);
    c.eps = kDeltaEps;
    shift_values(c.a, decay);
    EXPECT_LT(delta_distance(c), 1e-5) << decay;
  }
}

// Every token has the same key, which each write replaces: the triangular system is as far from the identity
// as it can be.
TEST(DeltaRule, RepeatedKeysAreReplaced) {
  DeltaCase c(kLargeDelta, 6);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels()), columns = c.layout.value_column(0);
  for (std::int64_t t = 1; t < c.tokens; ++t) std::copy_n(c.qkv.begin(), columns, c.qkv.begin() + t * stride);
  shift_values(c.a, -12.0f);
  shift_values(c.b, 12.0f);
  EXPECT_LT(delta_distance(c), 1e-5);
}

TEST(DeltaRule, ZeroTokensGiveZeros) {
  DeltaCase c(kLargeDelta, 7);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels());
  std::fill_n(c.qkv.begin() + 70 * stride, 20 * stride, 0.0f);
  EXPECT_LT(delta_distance(c), 1e-5);
  std::ranges::fill(c.qkv, 0.0f);
  for (const float value : c.run()) ASSERT_EQ(value, 0.0f);
}

TEST(DeltaRule, NoTokensWriteNothing) {
  const DeltaCase c(kLargeDelta, 7);
  float untouched = 5.0f;
  DeltaScratch scratch;
  delta_rule(c.parameters(), c.input(0), &untouched, scratch);
  EXPECT_EQ(untouched, 5.0f);
}

TEST(DeltaRule, TheFirstTokensHaveTheSameBitsInEveryWindow) {
  const DeltaCase c(kLargeDelta, 8);
  const std::vector<float> whole = c.run();
  for (const std::int64_t count : {1, 3, 13, 63, 64, 65, 100, 128, 199}) {
    const std::vector<float> part = c.run(count);
    EXPECT_EQ(std::memcmp(part.data(), whole.data(), part.size() * sizeof(float)), 0) << count;
  }
}

TEST(DeltaRule, BitsDoNotDependOnScratchOrThreads) {
  const DeltaCase large(kLargeDelta, 8), small(kDeltaShapes[3], 9);
  const std::vector<float> expected = large.run();
  std::vector<float> used(expected.size()), other(expected.size()), between(small.run().size());
  const auto run = [&](std::vector<float>& out, bool after_another) {
    DeltaScratch scratch;
    std::vector<float> ignored(between.size());
    if (after_another) delta_rule(small.parameters(), small.input(small.tokens), ignored.data(), scratch);
    delta_rule(large.parameters(), large.input(large.tokens), out.data(), scratch);
  };
  std::thread thread([&] { run(other, false); });
  run(used, true);
  thread.join();
  EXPECT_EQ(used, expected);
  EXPECT_EQ(other, expected);
}

TEST(DeltaRule, SumsAreThoseOfThePlainRecurrence) {
  DeltaCase c(kLargeDelta, 11);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels());
  std::fill_n(c.qkv.begin(), 2 * stride, 0.0f);
  const auto count = static_cast<std::size_t>(c.tokens);
  Doubles decay(count), strength(count), memory(count), surprise(count);
  const DeltaSums sums{.decay = decay, .strength = strength, .memory = memory, .surprise = surprise};
  EXPECT_EQ(c.run(c.tokens, &sums), c.run());
  PlainDeltaSums plain;
  (void)plain_delta_rule(c, PlainDeltaInput(c), DeltaWithout::nothing, &plain);
  const auto heads = static_cast<double>(c.layout.value_heads);
  for (std::size_t t = 0; t < count; ++t) {
    EXPECT_NEAR(decay[t], plain.decay[t] / heads, 1e-12);
    EXPECT_NEAR(strength[t], plain.strength[t] / heads, 1e-12);
    EXPECT_NEAR(memory[t], plain.memory[t] / heads, 1e-11 * memory[t]);
    if (t < 2) {
      EXPECT_TRUE(std::isnan(surprise[t]));
    } else {
      EXPECT_NEAR(surprise[t], std::sqrt(plain.innovation_square[t] / plain.value_square[t]), 1e-5);
    }
  }
  Doubles alone(count);
  const DeltaSums one{.memory = alone};
  (void)c.run(c.tokens, &one);
  EXPECT_EQ(alone, memory);
}

}  // namespace
}  // namespace strata
