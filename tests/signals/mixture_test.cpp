// Signals of mixtures of experts and of the delta rule against closed forms.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/signals/delta_states.h"
#include "strata/signals/expert_load.h"
#include "strata/signals/expert_overlap.h"
#include "strata/signals/router_entropy.h"
#include "strata/signals/window_edge.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

constexpr int kExperts = 8, kBlocks = 2;
constexpr std::size_t kMixture = 1;  // the block that has it

// Block 1 has the mixture, block 0 does not.
struct MixtureWorld : World {
  MixtureWorld(int used, const std::vector<std::vector<int>>& windows) : World(kBlocks, 4, windows) {
    config.experts = ExpertConfig{.count = kExperts, .used = used, .width = 8, .blocks = {0, 1}};
  }
  [[nodiscard]] std::int64_t tokens() const { return std::ssize(states[0]) / 4; }
  // Every token takes the experts of choose(token); the probabilities are `probability`, the same for all.
  template <class Choose>
  void route_all(const std::vector<float>& probability, const Choose& choose) {
    Routing all;
    for (std::int64_t t = 0; t < tokens(); ++t) {
      all.probability.insert(all.probability.end(), probability.begin(), probability.end());
      for (const std::int32_t e : choose(t)) {
        all.chosen.push_back(e);
        all.weight.push_back(1.0f);
      }
    }
    routing = {{}, all};
  }
  // Block 0 shows nothing.
  [[nodiscard]] Trace measure(const Signal& signal) const { return drive(*this, context(), signal); }
};

using Experts = std::vector<std::int32_t>;

// Distinct experts, drawn alike.
Experts draw_experts(int used, Philox& rng) {
  std::vector<std::uint32_t> order(kExperts);
  std::iota(order.begin(), order.end(), 0u);
  shuffle(order, rng);
  return {order.begin(), order.begin() + used};
}

TEST(RouterEntropy, IsOneForEqualExpertsAndZeroForOne) {
  MixtureWorld world(1, {{10}, {20}});
  const auto value = [&](const std::vector<float>& p) {
    world.route_all(p, [](std::int64_t) { return Experts{0}; });
    return series(world.measure(router_entropy_signal()), "router_entropy", TokenSet::ordinary)
        .by_doc(1, kMixture);
  };
  EXPECT_NEAR(value(std::vector<float>(kExperts, 1.0f / kExperts)), 1.0, 1e-6);
  EXPECT_EQ(value({1, 0, 0, 0, 0, 0, 0, 0}), 0.0);
  EXPECT_NEAR(value({0.5f, 0.5f, 0, 0, 0, 0, 0, 0}), 1.0 / 3.0, 1e-6);
}

// The estimate of even loads is 1 on average where the entropy of the sample is far below it.
TEST(ExpertLoad, EvennessHasNoBiasOfFewTokens) {
  constexpr int kDocuments = 2000, kTokens = 20;  // and position 0
  for (const int used : {1, 2, 5}) {
    MixtureWorld world(used, std::vector<std::vector<int>>(kDocuments, {kTokens + 1}));
    Philox rng({.seed = 5, .stream = Stream::test});
    world.route_all(std::vector<float>(kExperts, 0.125f),
                    [&](std::int64_t) { return draw_experts(used, rng); });
    const Trace trace = world.measure(expert_load_signal());
    const Series& even = series(trace, "expert_load_evenness", TokenSet::ordinary);
    const auto mean = mean_over_documents(even), error = standard_error(even);
    EXPECT_EQ(even.weight[0], kTokens);
    EXPECT_TRUE(std::isnan(mean[0]));
    const double bias = (kExperts - used) / (2.0 * kTokens * used * std::log(kExperts));
    EXPECT_NEAR(mean[kMixture], 1.0, 0.25 * bias + 4.0 * error[kMixture]) << used;
    EXPECT_GT(bias, 20.0 * error[kMixture]) << used;  // or the comparison would not tell
  }
}

TEST(ExpertLoad, OneExpertIsNotEvenAndHalfOfThemAreTwoThirds) {
  MixtureWorld world(1, {{401}});
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t) { return Experts{3}; });
  EXPECT_EQ(series(world.measure(expert_load_signal()), "expert_load_evenness", TokenSet::ordinary)
                .by_doc(0, kMixture),
            0.0);
  world.route_all(std::vector<float>(kExperts, 0.125f),
                  [](std::int64_t t) { return Experts{static_cast<std::int32_t>(t % 4)}; });
  EXPECT_NEAR(series(world.measure(expert_load_signal()), "expert_load_evenness", TokenSet::ordinary)
                  .by_doc(0, kMixture),
              (std::log(4.0) + 3.0 / 800.0) / std::log(8.0), 1e-12);
}

// A document of two windows; position 0 of both is no ordinary token. The halves are of its tokens.
TEST(ExpertLoad, SwitchingIsTheDistanceOfTheHalves) {
  MixtureWorld world(2, {{31, 11}});
  const auto values = [&](TokenSet set) {
    const Trace trace = world.measure(expert_load_signal());
    return std::pair(series(trace, "expert_switching", set).by_doc(0, kMixture),
                     series(trace, "expert_switching_shuffled", set).by_doc(0, kMixture));
  };
  // Ordinary tokens 1 to 20 and 21 to 30, 32 to 41.
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t t) {
    return t <= 20 ? Experts{0, 1} : Experts{1, 2};
  });
  EXPECT_NEAR(values(TokenSet::ordinary).first, 0.5, 1e-12);
  EXPECT_NEAR(values(TokenSet::all).first, 0.5, 1e-12);  // tokens 0 to 20 and 21 to 41
  EXPECT_LT(values(TokenSet::ordinary).second, 0.2);
  EXPECT_GT(values(TokenSet::ordinary).second, 0.0);
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t t) {
    return t <= 20 ? Experts{0, 1} : Experts{6, 7};
  });
  EXPECT_NEAR(values(TokenSet::ordinary).first, 1.0, 1e-12);
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t) { return Experts{4, 5}; });
  EXPECT_EQ(values(TokenSet::ordinary), std::pair(0.0, 0.0));
}

// Where nothing changes within a document, its halves differ as much as halves drawn at random.
TEST(ExpertLoad, ShuffledHalvesAreWhatChanceGives) {
  constexpr int kDocuments = 400, kTokens = 64;
  MixtureWorld world(2, std::vector<std::vector<int>>(kDocuments, {kTokens + 1}));
  Philox rng({.seed = 6, .stream = Stream::test});
  world.route_all(std::vector<float>(kExperts, 0.125f), [&](std::int64_t) { return draw_experts(2, rng); });
  const Trace trace = world.measure(expert_load_signal());
  const Series& halves = series(trace, "expert_switching", TokenSet::ordinary);
  const Series& shuffled = series(trace, "expert_switching_shuffled", TokenSet::ordinary);
  const double error = std::hypot(standard_error(halves)[kMixture], standard_error(shuffled)[kMixture]);
  EXPECT_NEAR(mean_over_documents(halves)[kMixture], mean_over_documents(shuffled)[kMixture], 4.0 * error);
  // The formula of expert_load.h, p = 1/8, N = 128 pairs, k = 2: E of half the sum of |differences|.
  const double chance = kExperts * std::sqrt(0.125 * (1.0 - 2.0 * 0.125) / (M_PI * 128.0 / 2.0));
  EXPECT_NEAR(mean_over_documents(shuffled)[kMixture], chance, 0.03 * chance + 4.0 * error);
}

// Outputs in the plane: both in one direction, at a right angle, and opposite; and three at 120 degrees.
TEST(ExpertOverlap, IsTheMeanCosineOfTheOutputs) {
  MixtureWorld world(2, {{4}});
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t) { return Experts{0, 1}; });
  world.directions = {{}, {2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, std::sqrt(3.0f), 0, 0}};
  const auto value = [&] {
    return series(world.measure(expert_overlap_signal()), "expert_overlap", TokenSet::ordinary)
        .by_doc(0, kMixture);
  };
  EXPECT_NEAR(value(), (0.0 - 1.0 + 1.0) / 3.0, 1e-6);  // tokens 1 to 3
  world.directions[1][8] = 2.0f;
  EXPECT_NEAR(value(), (0.0 + 1.0 + 1.0) / 3.0, 1e-6);
  world.config.experts->used = 3;
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t) { return Experts{0, 1, 2}; });
  world.directions[1].assign(16, 0.0f);
  EXPECT_NEAR(value(), -0.5, 1e-6);
  // A token that takes one expert has no pair.
  world.config.experts->used = 1;
  EXPECT_FALSE(applies(expert_overlap_signal(), world.config));
}

TEST(WindowEdge, IsTheMeanOverQueriesThatSeeAWholeWindow) {
  World world(2, 4, {{6}, {3}});  // two heads
  world.config.window = 4;
  world.config.slides = {0, 1};
  world.attention.resize(2);
  for (auto& sums : world.attention) sums.fill(std::vector<double>(9, 1.0));
  const std::vector<double> edge{NAN, NAN, NAN, 1.0, 2.0, 6.0, NAN, NAN, NAN};
  world.window_edge = {edge, edge};
  const Trace trace = drive(world, world.context(), window_edge_signal());
  const Series& s = series(trace, "window_edge", TokenSet::all);
  EXPECT_NEAR(s.by_doc(0, 1), 1.5, 1e-6);
  EXPECT_TRUE(std::isnan(s.by_doc(1, 1)));
  EXPECT_EQ(
      s.note,
      "undefined in blocks without a sliding window; undefined for documents in which no query sees a whole "
      "sliding window");
}

TEST(MixtureSignals, AreUndefinedWithAReasonInOtherBlocks) {
  MixtureWorld world(1, {{10}});
  world.route_all(std::vector<float>(kExperts, 0.125f), [](std::int64_t) { return Experts{0}; });
  const Trace trace = world.measure(router_entropy_signal());
  const Series& s = series(trace, "router_entropy", TokenSet::all);
  EXPECT_EQ(s.note, "undefined in blocks without a mixture of experts");
  world.config.experts->blocks = {1, 1};
  EXPECT_EQ(series(world.measure(router_entropy_signal()), "router_entropy", TokenSet::all).note, "");
}

TEST(DeltaStates, AreMeansOverOrdinaryTokensAndAll) {
  World world(2, 4, {{3}, {2, 2}});
  world.config.delta_blocks = {0, 1};
  world.delta.resize(2);
  for (auto& block : world.delta) {
    block = {std::vector<double>{.1, .2, .3, .4, .5, .6, .7}, std::vector<double>{1, 2, 3, 4, 5, 6, 7},
             std::vector<double>{7, 6, 5, NAN, 3, 2, 1}};
  }
  const Trace trace = drive(world, world.context(), delta_states_signal());
  const auto at = [&](std::string_view id, TokenSet set, std::size_t document) {
    return series(trace, id, set).by_doc(document, 1);
  };
  EXPECT_NEAR(at("delta_write", TokenSet::all, 0), 0.2, 1e-6);
  EXPECT_NEAR(at("delta_write", TokenSet::ordinary, 0), 0.25, 1e-6);
  EXPECT_NEAR(at("delta_memory", TokenSet::ordinary, 1), 6.0, 1e-6);  // tokens 4 and 6
  EXPECT_NEAR(at("delta_surprise", TokenSet::all, 1), 2.0, 1e-6);     // 3, 2 and 1
  EXPECT_EQ(series(trace, "delta_memory", TokenSet::all).note,
            "undefined in blocks without the gated delta rule");
}

}  // namespace
}  // namespace strata
