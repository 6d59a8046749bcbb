// Every intervention at its ends, and the noise against its distribution and its keys.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

#include "strata/base/philox.h"
#include "strata/interventions/block_skip.h"
#include "strata/interventions/intervention.h"
#include "strata/interventions/relative_noise.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

constexpr std::int64_t kTokens = 24, kWidth = 64, kHeads = 2;

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
  // The edited state, output of the block, rows of a matrix, or attention rows of two heads; no edit of the
  // order of blocks.
  [[nodiscard]] std::vector<float> apply(const Intervention& what) {
    edit.classes = classes;
    if (what.per_head || what.per_expert) edit.head = 1;
    if (what.span == kSegmentSpan) edit.span = 4;
    std::vector<float> h = before(what);
    if (what.edit_parts != nullptr) {
      BlockHooks hooks;
      what.edit_parts(edit, hooks);
      h = told(hooks);
    }
    if (what.edit_state != nullptr) what.edit_state(edit, h.data());
    if (what.edit_branch != nullptr) what.edit_branch(edit, h_in.data(), h.data());
    for (std::int64_t row = 0; what.edit_weights != nullptr && row < kTokens; ++row)
      what.edit_weights(edit.strength, h.data() + row * kWidth, kWidth);
    for (std::int64_t row = 0; what.edit_attention != nullptr && row < kHeads * kTokens; ++row)
      what.edit_attention(edit, static_cast<int>(row / kTokens), row % kTokens, h.data() + row * kTokens);
    return h;
  }
  // What apply() begins with.
  [[nodiscard]] std::vector<float> before(const Intervention& what) const {
    if (what.site == Site::parts) return told({});
    return what.site == Site::attention ? attention() : h_out;
  }
  // Which parts are left out.
  static std::vector<float> told(const BlockHooks& hooks) {
    return {hooks.skip_mixer ? 1.0f : 0.0f, hooks.skip_feed_forward ? 1.0f : 0.0f,
            static_cast<float>(hooks.dropped_expert)};
  }
  // (heads, queries, keys), rows of which sum to 1 over the keys up to the query; 0 after it.
  static std::vector<float> attention() {
    std::vector<float> a(kHeads * kTokens * kTokens, 0.0f);
    Philox rng({.seed = 1, .stream = Stream::test, .a = 3});
    for (std::size_t row = 0; row < kHeads * kTokens; ++row) {
      const std::size_t query = row % kTokens;
      double sum = 0.0;
      std::vector<double> weight(query + 1);
      for (double& w : weight) sum += w = std::exp(2.0 * rng.normal());
      for (std::size_t key = 0; key <= query; ++key)
        a[row * kTokens + key] = static_cast<float>(weight[key] / sum);
    }
    return a;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

const Intervention& row(std::string_view id) {
  for (const Intervention& what : interventions())
    if (what.id == id) return what;
  throw std::out_of_range(std::string(id));
}

TEST(Interventions, RowsAreComplete) {
  std::set<std::string_view> ids;
  std::set<Site> sites;
  for (const Intervention& what : interventions()) {
    SCOPED_TRACE(what.id);
    EXPECT_TRUE(ids.insert(what.id).second);
    sites.insert(what.site);
    EXPECT_FALSE(what.strength_unit.empty());
    EXPECT_NE(std::string(to_string(what.site)), "");
    EXPECT_TRUE(what.span >= 1 || (what.span == kSegmentSpan && what.site == Site::state));
    EXPECT_EQ(what.edit_state != nullptr, what.site == Site::state);
    EXPECT_EQ((what.edit_branch != nullptr) + (what.block_order != nullptr), what.site == Site::branch);
    EXPECT_EQ(what.edit_attention != nullptr, what.site == Site::attention);
    EXPECT_EQ(what.edit_weights != nullptr, what.site == Site::weights);
    EXPECT_EQ(what.edit_parts != nullptr, what.site == Site::parts);
    EXPECT_TRUE(!what.per_head || what.site == Site::attention);
    EXPECT_TRUE(!what.per_expert || what.site == Site::parts);
    ASSERT_FALSE(what.strengths.empty());
    double before = 0.0;
    for (const double strength : what.strengths) {
      EXPECT_GT(strength, before);
      before = strength;
    }
  }
  EXPECT_EQ(sites.size(), 5u);
}

TEST(Interventions, StrengthZeroIsTheIdentityBitForBit) {
  for (const Intervention& what : interventions()) {
    SCOPED_TRACE(what.id);
    if (what.block_order != nullptr) {
      std::vector<int> in_order(static_cast<std::size_t>(what.span));
      std::iota(in_order.begin(), in_order.end(), 0);
      EXPECT_EQ(what.block_order(0.0), in_order);
      continue;
    }
    Case test;
    test.edit.strength = 0.0;
    // What a sum with zero would not leave alone.
    test.h_out[kWidth + 7] = -0.0f;
    test.h_out[kWidth + 8] = std::numeric_limits<float>::denorm_min();
    test.h_out[kWidth + 9] = std::numeric_limits<float>::max();
    test.h_in[kWidth + 10] = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(same_bits(test.apply(what), test.before(what)));
  }
}

TEST(Interventions, SameKeySameBitsAndOtherStrengthsAct) {
  for (const Intervention& what : interventions()) {
    SCOPED_TRACE(what.id);
    for (const double strength : what.strengths) {
      if (what.block_order != nullptr) {
        EXPECT_NE(what.block_order(strength), what.block_order(0.0));
        continue;
      }
      Case test;
      test.edit.strength = strength;
      const auto once = test.apply(what);
      EXPECT_TRUE(same_bits(once, test.apply(what)));
      EXPECT_FALSE(same_bits(once, test.before(what)));
    }
  }
}

// A lane may run on the beginning of a window, and windows side by side: a token's edit is its own.
TEST(Interventions, ATokensEditDoesNotDependOnTheTokensAfterIt) {
  for (const Intervention& what : interventions()) {
    if (what.edit_state == nullptr && what.edit_branch == nullptr) continue;
    Case whole, part;
    const auto all = whole.apply(what);
    part.edit.tokens = 5;
    const auto some = part.apply(what);
    const bool own = std::memcmp(all.data(), some.data(), 5 * kWidth * sizeof(float)) == 0;
    EXPECT_EQ(own, !what.uses_whole_window) << what.id;
    EXPECT_TRUE(std::equal(some.begin() + 5 * kWidth, some.end(), part.h_out.begin() + 5 * kWidth));
  }
}

// Which tokens each intervention on states touches.
TEST(Interventions, StatesOfTheOtherTokensStay) {
  for (const Intervention& what : interventions()) {
    if (what.edit_state == nullptr) continue;
    Case test;
    const auto h = test.apply(what);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const bool same = std::memcmp(h.data() + t * kWidth, test.h_out.data() + t * kWidth, kWidth * 4) == 0;
      const bool sink = t == 0 || t == 4;
      EXPECT_EQ(same, sink != (what.id == "sink_noise")) << what.id << " " << t;
    }
  }
}

// docs/brittleness.md has one row "| `id` | site | ..." for each, a star behind those that run by default.
TEST(Interventions, AreDocumented) {
  std::ifstream file(test::repo_path("docs/brittleness.md"));
  std::set<std::string> rows;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| `")) rows.insert(line.substr(0, line.find('|', line.find('|', 1) + 1)));
  for (const Intervention& what : interventions()) {
    const std::string row =
        "| `" + std::string(what.id) + (what.by_default ? "` * | " : "` | ") + to_string(what.site) + " ";
    EXPECT_EQ(rows.count(row), 1u) << row;
  }
  EXPECT_EQ(rows.size(), interventions().size());
}

double rms_of(const std::vector<float>& h, std::size_t first, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = first; i < first + count; ++i) sum += static_cast<double>(h[i]) * h[i];
  return std::sqrt(sum / static_cast<double>(count));
}

// The four noises draw the same numbers: what they add differs by the scale alone.
TEST(Noise, KindsDifferByTheirScaleAlone) {
  Case test;
  const auto& clean = test.h_out;
  const auto relative = test.apply(row("relative_noise")), absolute = test.apply(row("absolute_noise")),
             pooled = test.apply(row("pooled_noise"));
  const double all = rms_of(clean, 0, kTokens * kWidth);
  int compared = 0;
  for (std::size_t t = 0; t < kTokens; ++t) {
    const double own = rms_of(clean, t * kWidth, kWidth);
    for (std::size_t i = t * kWidth; i < (t + 1) * kWidth; ++i) {
      const double added = static_cast<double>(absolute[i]) - clean[i];
      if (added == 0.0) continue;
      ++compared;
      const double rounding = 1e-6 * (std::fabs(clean[i]) + 1.0) * (1.0 + all);
      EXPECT_NEAR(static_cast<double>(relative[i]) - clean[i], own * added, rounding);
      EXPECT_NEAR(static_cast<double>(pooled[i]) - clean[i], all * added, rounding);
    }
  }
  EXPECT_GE(compared, (kTokens - 2) * kWidth - 2);
}

TEST(JointNoise, DividesThePowerByTheNumberOfStates) {
  Case joint, one;
  const auto h = joint.apply(row("joint_noise"));  // over 4 states
  one.edit.strength = joint.edit.strength / 2.0;
  EXPECT_TRUE(same_bits(h, one.apply(row("relative_noise"))));
}

// Mean of the ordinary tokens, written down directly.
std::vector<double> ordinary_mean(const Case& test) {
  std::vector<double> mean(kWidth, 0.0);
  for (std::size_t t = 0; t < kTokens; ++t) {
    if (t == 0 || t == 4) continue;
    for (std::size_t i = 0; i < kWidth; ++i) mean[i] += test.h_out[t * kWidth + i] / (kTokens - 2);
  }
  return mean;
}

TEST(States, FollowTheirFormulas) {
  Case test;
  const auto mean = ordinary_mean(test);
  struct Formula {
    const char* id;
    double (*value)(double h, double m, double s);
  };
  const Formula formulas[] = {
      {"scaling", [](double h, double, double s) { return (1 + s) * h; }},
      {"translation", [](double h, double m, double s) { return h + s * m; }},
      {"zero_ablation", [](double h, double, double s) { return (1 - s) * h; }},
      {"mean_ablation", [](double h, double m, double s) { return (1 - s) * h + s * m; }}};
  for (const Formula& formula : formulas) {
    for (const double s : {0.3, 1.0}) {
      test.edit.strength = s;
      const auto h = test.apply(row(formula.id));
      for (std::size_t i = kWidth; i < 4 * kWidth; ++i)
        EXPECT_NEAR(h[i], formula.value(test.h_out[i], mean[i % kWidth], s), 1e-5) << formula.id << " " << s;
    }
  }
}

TEST(ZeroAblation, LeavesNothingOfAnInfinity) {
  Case test;
  test.edit.strength = 1.0;
  test.h_out[kWidth + 5] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(test.apply(row("zero_ablation"))[kWidth + 5], 0.0f);
}

// Every mix stays a distribution; at full strength it is what its name says.
TEST(Attention, RowsAreTheirFormulas) {
  const auto a = Case::attention();
  for (const char* id : {"attention_uniform", "attention_sink_only", "attention_local"}) {
    for (const double s : {0.1, 1.0}) {
      Case test;
      test.edit.strength = s;
      const auto mixed = test.apply(row(id));
      for (std::size_t r = 0; r < kHeads * kTokens; ++r) {
        const std::size_t query = r % kTokens;
        double kept = 0.0, sum = 0.0;
        const auto weight = [&](std::size_t key) -> double {
          if (id == std::string("attention_uniform")) return 1.0;
          const bool near = id == std::string("attention_local") && query - key < 16;
          return key == 0 || key == 4 || near ? a[r * kTokens + key] : 0.0;
        };
        for (std::size_t key = 0; key <= query; ++key) kept += weight(key);
        for (std::size_t key = 0; key < kTokens; ++key) {
          const double expected = key > query ? 0.0 : (1 - s) * a[r * kTokens + key] + s * weight(key) / kept;
          EXPECT_NEAR(mixed[r * kTokens + key], expected, 1e-7) << id << " " << r << " " << key;
          sum += mixed[r * kTokens + key];
        }
        EXPECT_NEAR(sum, 1.0, 1e-6);
      }
    }
  }
}

// 40 keys, the newest query: 16 keys and the sinks are left, in their old proportions.
TEST(Attention, LocalCutsWhatIsFurtherBack) {
  std::vector<TokenClass> classes(40, TokenClass::ordinary);
  classes[0] = TokenClass::first;
  classes[7] = TokenClass::massive;
  std::vector<float> probability(40);
  for (std::size_t i = 0; i < 40; ++i) probability[i] = static_cast<float>(i + 1) / 820.0f;
  const auto before = probability;
  row("attention_local")
      .edit_attention({.strength = 1.0, .tokens = 40, .classes = classes}, 0, 39, probability.data());
  double kept = 0.0;
  for (std::size_t i = 0; i < 40; ++i)
    if (i == 0 || i == 7 || i >= 24) kept += before[i];
  for (std::size_t i = 0; i < 40; ++i) {
    const bool stays = i == 0 || i == 7 || i >= 24;
    EXPECT_NEAR(probability[i], stays ? before[i] / kept : 0.0, 1e-7) << i;
  }
}

// A row whose sinks have underflowed to 0 stays a distribution.
TEST(Attention, SinkOnlyWithoutWeightOnSinksReadsTheFirstKey) {
  const std::vector<TokenClass> classes{TokenClass::first, TokenClass::ordinary, TokenClass::ordinary};
  std::vector<float> probability{0.0f, 0.25f, 0.75f};
  row("attention_sink_only")
      .edit_attention({.strength = 1.0, .tokens = 3, .classes = classes}, 0, 2, probability.data());
  EXPECT_EQ(probability, (std::vector<float>{1.0f, 0.0f, 0.0f}));
}

// In a block with a sliding window nothing is read from before it, and uniform is uniform over what is seen.
TEST(Attention, EditsStayWithinASlidingWindow) {
  std::vector<TokenClass> classes(8, TokenClass::ordinary);
  classes[0] = TokenClass::first;
  const std::vector<float> before{0.0f, 0.0f, 0.0f, 0.0f, 0.125f, 0.25f, 0.125f, 0.5f};
  const auto edited = [&](std::string_view id) {
    auto probability = before;
    row(id).edit_attention({.strength = 1.0, .reach = 4, .tokens = 8, .classes = classes}, 0, 7,
                           probability.data());
    return probability;
  };
  EXPECT_EQ(edited("attention_uniform"), (std::vector<float>{0, 0, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f}));
  EXPECT_EQ(edited("attention_local"), before);      // 16 keys reach further than the window
  EXPECT_EQ(edited("attention_sink_only"), before);  // no sink is seen
  auto early = before;                               // query 3 sees the first four keys, of which 0 is a sink
  early[0] = early[1] = early[2] = early[3] = 0.25f;
  row("attention_sink_only")
      .edit_attention({.strength = 1.0, .reach = 4, .tokens = 8, .classes = classes}, 0, 3, early.data());
  EXPECT_EQ(early[0], 1.0f);
}

TEST(HeadAblation, SilencesItsHeadAlone) {
  Case test;
  test.edit.strength = 1.0;
  const auto a = Case::attention(), ablated = test.apply(row("head_ablation"));
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(ablated[i], i < kTokens * kTokens ? a[i] : 0.0f) << i;
}

// Against a search through the representable values of each group.
TEST(WeightRounding, IsTheNearestRepresentableValue) {
  constexpr std::int64_t kColumns = 77;  // two whole groups and a short one
  std::vector<float> weights(kColumns);
  Philox rng({.seed = 4, .stream = Stream::test});
  rng.fill_normal(weights);
  weights[3] = -5.0f;  // the largest of its group is negative
  for (std::size_t i = 64; i < 77; ++i) weights[i] *= 1e-3f;
  for (const int bits : {2, 3, 4, 6, 8}) {
    const int levels = (1 << (bits - 1)) - 1;
    auto rounded = weights;
    row("weight_rounding").edit_weights(1.0 / levels, rounded.data(), kColumns);
    for (std::size_t begin = 0; begin < kColumns; begin += 32) {
      const std::size_t end = std::min<std::size_t>(begin + 32, kColumns);
      double largest = 0.0;
      for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(double{weights[i]}));
      std::set<float> seen;
      for (std::size_t i = begin; i < end; ++i) {
        double nearest = 0.0;
        for (int q = -levels; q <= levels; ++q) {
          const double value = q * largest / levels;
          if (std::fabs(value - weights[i]) < std::fabs(nearest - weights[i])) nearest = value;
        }
        EXPECT_NEAR(rounded[i], nearest, 1e-6 * largest) << bits << " " << i;
        seen.insert(rounded[i]);
      }
      EXPECT_LE(seen.size(), static_cast<std::size_t>(2 * levels + 1));
    }
  }
  std::vector<float> zeros(40, 0.0f);
  row("weight_rounding").edit_weights(1.0, zeros.data(), 40);
  EXPECT_EQ(zeros, std::vector<float>(40, 0.0f));
}

TEST(BlockOrder, SwapAndRepeat) {
  EXPECT_EQ(row("adjacent_swap").block_order(1.0), (std::vector<int>{1, 0}));
  EXPECT_EQ(row("block_repeat").block_order(2.0), (std::vector<int>{0, 0, 0}));
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
