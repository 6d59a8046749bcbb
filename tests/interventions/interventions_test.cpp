// Every intervention at its ends, and the noise against its distribution and its keys.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>

#include "strata/base/philox.h"
#include "strata/interventions/block_skip.h"
#include "strata/interventions/intervention.h"
#include "strata/interventions/relative_noise.h"

namespace strata {
namespace {

constexpr std::int64_t kTokens = 9, kWidth = 64;

struct Case {
  std::vector<TokenClass> classes = std::vector<TokenClass>(kTokens, TokenClass::ordinary);
  std::vector<float> h_in = values(1), h_out = values(2);
  EditContext edit{.place = 2,
                   .document = 1,
                   .window = 3,
                   .seed = 5,
                   .repeat = 1,
                   .sign = 1.0,
                   .strength = 0.1,
                   .tokens = kTokens,
                   .width = kWidth};

  Case() {
    classes[0] = TokenClass::first;
    classes[4] = TokenClass::massive;
  }
  static std::vector<float> values(std::uint32_t stream) {
    std::vector<float> h(kTokens * kWidth);
    Philox rng({.seed = 1, .stream = Stream::test, .a = stream});
    rng.fill_normal(h);
    for (std::size_t i = 0; i < h.size(); ++i) h[i] *= 1.0f + static_cast<float>(i / kWidth);
    h[kWidth + 3] = -0.0f;
    return h;
  }
  // The edited state, or the edited output of the block.
  [[nodiscard]] std::vector<float> apply(const Intervention& intervention) {
    edit.classes = classes;
    std::vector<float> h = h_out;
    if (intervention.site == Site::state) {
      intervention.edit_state(edit, h.data());
    } else {
      intervention.edit_branch(edit, h_in.data(), h.data());
    }
    return h;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Interventions, RowsAreComplete) {
  std::set<std::string_view> ids;
  for (const Intervention& intervention : interventions()) {
    EXPECT_TRUE(ids.insert(intervention.id).second);
    EXPECT_FALSE(intervention.strength_unit.empty());
    EXPECT_GE(intervention.span, 1);
    EXPECT_EQ(intervention.edit_state != nullptr, intervention.site == Site::state) << intervention.id;
    EXPECT_EQ(intervention.edit_branch != nullptr, intervention.site == Site::branch) << intervention.id;
    ASSERT_FALSE(intervention.strengths.empty());
    double before = 0.0;
    for (const double strength : intervention.strengths) {
      EXPECT_GT(strength, before);
      before = strength;
    }
  }
}

TEST(Interventions, StrengthZeroIsTheIdentityBitForBit) {
  for (const Intervention& intervention : interventions()) {
    Case test;
    test.edit.strength = 0.0;
    // What a sum with zero would not leave alone.
    test.h_out[kWidth + 7] = -0.0f;
    test.h_out[kWidth + 8] = std::numeric_limits<float>::denorm_min();
    test.h_out[kWidth + 9] = std::numeric_limits<float>::max();
    test.h_in[kWidth + 10] = std::numeric_limits<float>::infinity();
    const auto before = test.h_out;
    EXPECT_TRUE(same_bits(test.apply(intervention), before)) << intervention.id;
  }
}

TEST(Interventions, SameKeySameBitsAndOtherStrengthsAct) {
  for (const Intervention& intervention : interventions()) {
    Case test;
    test.edit.strength = intervention.strengths.front();
    const auto once = test.apply(intervention);
    EXPECT_TRUE(same_bits(once, test.apply(intervention))) << intervention.id;
    EXPECT_FALSE(same_bits(once, test.h_out)) << intervention.id;
  }
}

// A lane may run on the beginning of a window, and windows side by side: a token's edit is its own.
TEST(Interventions, ATokensEditDoesNotDependOnTheTokensAfterIt) {
  for (const Intervention& intervention : interventions()) {
    Case whole, part;
    const auto all = whole.apply(intervention);
    part.edit.tokens = 5;
    const auto some = part.apply(intervention);
    EXPECT_EQ(std::memcmp(all.data(), some.data(), 5 * kWidth * sizeof(float)), 0) << intervention.id;
    EXPECT_TRUE(std::equal(some.begin() + 5 * kWidth, some.end(), part.h_out.begin() + 5 * kWidth));
  }
}

TEST(BlockSkip, EndsAreCopiesAndTheMiddleIsTheMidpoint) {
  const Intervention skip = block_skip_intervention();
  Case test;
  test.edit.strength = 1.0;
  test.h_out[5] = std::numeric_limits<float>::infinity();  // 0 * infinity must not survive
  EXPECT_TRUE(same_bits(test.apply(skip), test.h_in));
  Case half;
  half.edit.strength = 0.5;
  const auto h = half.apply(skip);
  for (std::size_t i = 0; i < h.size(); ++i) EXPECT_EQ(h[i], 0.5f * half.h_in[i] + 0.5f * half.h_out[i]);
  Case quarter;
  quarter.edit.strength = 0.25;
  EXPECT_EQ(quarter.apply(skip)[9], 0.75f * quarter.h_out[9] + 0.25f * quarter.h_in[9]);
}

TEST(RelativeNoise, OnlyOrdinaryTokensChange) {
  Case test;
  const auto h = test.apply(relative_noise_intervention());
  for (std::size_t t = 0; t < kTokens; ++t) {
    const bool same = std::memcmp(h.data() + t * kWidth, test.h_out.data() + t * kWidth, kWidth * 4) == 0;
    EXPECT_EQ(same, t == 0 || t == 4) << t;
  }
}

TEST(RelativeNoise, EveryPartOfTheKeyCounts) {
  const auto noise = [](const std::function<void(EditContext&)>& change) {
    Case test;
    change(test.edit);
    return test.apply(relative_noise_intervention());
  };
  const auto base = noise([](EditContext&) {});
  const std::vector<std::function<void(EditContext&)>> changes = {
      [](EditContext& e) { e.document = 2; }, [](EditContext& e) { e.window = 4; },
      [](EditContext& e) { e.place = 3; },    [](EditContext& e) { e.repeat = 2; },
      [](EditContext& e) { e.seed = 6; },     [](EditContext& e) { std::swap(e.document, e.window); }};
  std::set<std::vector<float>> all = {base};
  for (const auto& change : changes) all.insert(noise(change));
  EXPECT_EQ(all.size(), changes.size() + 1);
}

// Added noise over the token's own rms: mean 0, standard deviation eps, whatever the token's size.
TEST(RelativeNoise, HasTheStrengthOfTheTokensOwnRms) {
  constexpr std::int64_t kMany = 400;
  std::vector<TokenClass> classes(kMany, TokenClass::ordinary);
  for (const double eps : {0.003, 0.1, 1.0}) {
    std::vector<float> h(kMany * kWidth);
    Philox rng({.seed = 2, .stream = Stream::test});
    for (std::int64_t i = 0; i < kMany * kWidth; ++i) {
      h[static_cast<std::size_t>(i)] = static_cast<float>(std::pow(10.0, (i / kWidth) % 5) * rng.normal());
    }
    const auto clean = h;
    relative_noise_intervention().edit_state(
        {.place = 1, .seed = 3, .strength = eps, .tokens = kMany, .width = kWidth, .classes = classes},
        h.data());
    double sum = 0.0, square = 0.0;
    for (std::size_t t = 0; t < kMany; ++t) {
      double rms = 0.0;
      for (std::size_t i = t * kWidth; i < (t + 1) * kWidth; ++i)
        rms += static_cast<double>(clean[i]) * clean[i];
      rms = std::sqrt(rms / kWidth);
      for (std::size_t i = t * kWidth; i < (t + 1) * kWidth; ++i) {
        const double x = (static_cast<double>(h[i]) - clean[i]) / (eps * rms);
        sum += x;
        square += x * x;
      }
    }
    const double n = kMany * kWidth;
    EXPECT_NEAR(sum / n, 0.0, 4 / std::sqrt(n)) << eps;
    EXPECT_NEAR(square / n, 1.0, 4 * std::sqrt(2 / n)) << eps;
  }
}

TEST(RelativeNoise, SignsAreOppositeAndStrengthsShareTheirDirection) {
  const Intervention noise = relative_noise_intervention();
  Case plus, minus, strong;
  minus.edit.sign = -1.0;
  strong.edit.strength = 0.3;
  const auto up = plus.apply(noise), down = minus.apply(noise), far = strong.apply(noise);
  for (std::size_t i = 0; i < up.size(); ++i) {
    const double clean = plus.h_out[i], a = up[i] - clean, b = down[i] - clean, c = far[i] - clean;
    const double rounding = 1e-6 * (std::fabs(clean) + std::fabs(c));
    EXPECT_NEAR(a, -b, rounding);
    EXPECT_NEAR(3.0 * a, c, 3.0 * rounding);
  }
}

}  // namespace
}  // namespace strata
