// Gradients of the gated delta rule against differences of the recurrence written a second time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "strata/model/delta_rule.h"
#include "tests/support/plain_delta.h"

namespace strata {
namespace {

using test::DeltaCase;
using test::DeltaShape;
using test::Doubles;
using test::kDeltaEps;
using test::kDeltaShapes;
using test::kLargeDelta;
using test::kLongDelta;
using test::plain_delta_rule;
using test::PlainDeltaInput;
using test::random_values;
using test::shift_values;

// One of the inputs.
struct DeltaPart {
  Doubles PlainDeltaInput::*values;
  std::int64_t width;
  const char* name;
};
std::vector<DeltaPart> delta_parts(const DeltaLayout& l) {
  return {{&PlainDeltaInput::qkv, l.channels(), "qkv"},
          {&PlainDeltaInput::z, l.width(), "z"},
          {&PlainDeltaInput::b, l.value_heads, "b"},
          {&PlainDeltaInput::a, l.value_heads, "a"}};
}

double plain_delta_loss(const DeltaCase& c, const PlainDeltaInput& in, const std::vector<float>& d_mixed) {
  const Doubles mixed = plain_delta_rule(c, in);
  return std::inner_product(mixed.begin(), mixed.end(), d_mixed.begin(), 0.0);
}

// The four gradients, each without gaps.
std::vector<std::vector<float>> our_gradients(const DeltaCase& c, const std::vector<float>& d_mixed,
                                              DeltaBackwardScratch& scratch) {
  std::vector<std::vector<float>> d;
  for (const DeltaPart& part : delta_parts(c.layout))
    d.emplace_back(static_cast<std::size_t>(c.tokens * part.width), 7.0f);
  const DeltaLayout& l = c.layout;
  delta_rule_backward(c.parameters(), c.input(c.tokens), d_mixed.data(),
                      {.qkv = {.data = d[0].data(), .stride = l.channels()},
                       .z = {.data = d[1].data(), .stride = l.width()},
                       .b = {.data = d[2].data(), .stride = l.value_heads},
                       .a = {.data = d[3].data(), .stride = l.value_heads}},
                      scratch);
  return d;
}

std::vector<std::vector<float>> our_gradients(const DeltaCase& c, const std::vector<float>& d_mixed) {
  DeltaBackwardScratch scratch;
  return our_gradients(c, d_mixed, scratch);
}

// The derivative of the loss with respect to `value`, one of the values of `in`. Differences are taken of
// each output: those that the value does not reach must not add their rounding.
double plain_derivative(const DeltaCase& c, const PlainDeltaInput& in, double& value,
                        const std::vector<float>& d_mixed) {
  constexpr double kStep = 2e-4;
  const double before = value;
  const auto at = [&](double steps) {
    value = before + steps * kStep;
    return plain_delta_rule(c, in);
  };
  const Doubles above = at(1.0), below = at(-1.0), far_above = at(2.0), far_below = at(-2.0);
  value = before;
  double sum = 0.0;
  for (std::size_t i = 0; i < d_mixed.size(); ++i) {
    sum += d_mixed[i] * (8.0 * (above[i] - below[i]) - (far_above[i] - far_below[i]));
  }
  return sum / (12.0 * kStep);
}

// Worst of some elements of each gradient over the RMS of all of them.
void expect_gradients(DeltaCase c) {
  constexpr std::int64_t kSamples = 16;
  c.eps = kDeltaEps;
  const std::vector<float> d_mixed = random_values(c.tokens * c.layout.width(), 77);
  const auto ours = our_gradients(c, d_mixed);
  PlainDeltaInput in(c);
  std::size_t which = 0;
  for (const DeltaPart& part : delta_parts(c.layout)) {
    const std::vector<float>& d = ours[which++];
    double square = 0.0, largest = 0.0;
    for (const float value : d) square += static_cast<double>(value) * value;
    const double rms = std::sqrt(square / static_cast<double>(d.size()));
    const std::int64_t count = c.tokens * part.width, step = count <= kSamples ? 1 : count / kSamples | 1;
    for (std::int64_t i = 0; i < count; i += step) {
      double& value = (in.*part.values)[static_cast<std::size_t>(
          i / part.width * DeltaCase::stride(part.width) + i % part.width)];
      const double expected = plain_derivative(c, in, value, d_mixed);
      largest = std::max(largest, std::fabs(expected - static_cast<double>(d[static_cast<std::size_t>(i)])));
    }
    // One token has no state to decay.
    EXPECT_EQ(rms > 0.0, c.tokens > 1 || part.values != &PlainDeltaInput::a) << part.name;
    EXPECT_LE(largest, 1e-5 * rms) << part.name;
  }
}

TEST(DeltaRuleBackward, MatchesDifferencesOfThePlainRecurrence) {
  std::uint64_t seed = 10;
  for (const DeltaShape& shape : kDeltaShapes) {
    SCOPED_TRACE(seed += 10);
    expect_gradients(DeltaCase(shape, seed));
  }
}

TEST(DeltaRuleBackward, MatchesAtTheEndsOfItsGates) {
  for (const float decay : {-12.0f, 3.0f}) {
    for (const float strength : {-5.0f, 9.0f}) {
      SCOPED_TRACE(decay);
      SCOPED_TRACE(strength);
      DeltaCase c(kDeltaShapes[3], 12);
      shift_values(c.a, decay);
      shift_values(c.b, strength);
      expect_gradients(c);
    }
  }
  // What one chunk passes through to the chunk after the next.
  DeltaCase three({{.key_heads = 2, .value_heads = 4, .key_dim = 4, .value_dim = 6, .kernel = 4}, 150}, 18);
  shift_values(three.a, -6.0f);
  expect_gradients(three);
  DeltaCase mixed(kDeltaShapes[4], 13);
  for (float& a : mixed.a) a *= 6.0f;
  for (float& b : mixed.b) b *= 4.0f;
  expect_gradients(mixed);
}

// All values at once, in windows of several chunks: the derivative along a direction.
TEST(DeltaRuleBackward, MatchesTheDerivativeAlongADirection) {
  DeltaCase c(kLargeDelta, 14);
  const std::vector<float> d_mixed = random_values(c.tokens * c.layout.width(), 77);
  const auto ours = our_gradients(c, d_mixed);
  std::size_t which = 0;
  for (const DeltaPart& part : delta_parts(c.layout)) {
    const std::vector<float>& d = ours[which++];
    const std::vector<float> direction = random_values(c.tokens * part.width, 78);
    double expected = 0.0, square = 0.0;
    PlainDeltaInput above(c), below(c);
    constexpr double kStep = 1e-6;
    for (std::size_t i = 0; i < d.size(); ++i) {
      expected += static_cast<double>(d[i]) * direction[i];
      square += static_cast<double>(d[i]) * d[i];
      const auto width = static_cast<std::size_t>(part.width);
      const std::size_t at = i / width * static_cast<std::size_t>(DeltaCase::stride(part.width)) + i % width;
      (above.*part.values)[at] += kStep * direction[i];
      (below.*part.values)[at] -= kStep * direction[i];
    }
    const double found =
        (plain_delta_loss(c, above, d_mixed) - plain_delta_loss(c, below, d_mixed)) / (2.0 * kStep);
    EXPECT_NEAR(found, expected, 1e-5 * std::sqrt(square)) << part.name;
  }
}

TEST(DeltaRuleBackward, BitsDoNotDependOnScratch) {
  const DeltaCase large(kLargeDelta, 17), small(kDeltaShapes[3], 18);
  const std::vector<float> d_mixed = random_values(large.tokens * large.layout.width(), 77);
  DeltaBackwardScratch used;
  (void)our_gradients(small, d_mixed, used);
  EXPECT_EQ(our_gradients(large, d_mixed, used), our_gradients(large, d_mixed));
  EXPECT_EQ(our_gradients(small, d_mixed, used), our_gradients(small, d_mixed));
}

TEST(DeltaRuleBackward, LongWindowsWithStrongDecayStayFinite) {
  DeltaCase c(kLongDelta, 15);
  shift_values(c.a, 30.0f);
  for (const auto& gradient : our_gradients(c, random_values(c.tokens * c.layout.width(), 77))) {
    for (const float value : gradient) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(DeltaRuleBackward, ZeroTokensHaveFiniteGradients) {
  DeltaCase c(kLargeDelta, 16);
  std::ranges::fill(c.qkv, 0.0f);
  for (const auto& gradient : our_gradients(c, random_values(c.tokens * c.layout.width(), 77))) {
    for (const float value : gradient) ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace strata
