// What carries a state against singular values and sums by hand, and a planted word.
#include "strata/signals/carriers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/signals/sink_paths.h"
#include "strata/theory/carriers.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

std::vector<float> normal_rows(std::size_t n, std::size_t d, double base, float offset, std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  std::vector<float> rows(n * d);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = offset + static_cast<float>(std::pow(base, static_cast<double>(i % d)) * rng.normal());
  return rows;
}

TEST(StateLead, MatchesSingularValuesAndSumsByHand) {
  for (const auto& [n, d] : {std::pair<std::size_t, std::size_t>{300, 12}, {90, 200}}) {
    const std::vector<float> rows = normal_rows(n, d, 0.8, 0.5f, 1);
    const StateLead lead = state_lead(rows, static_cast<std::int64_t>(d));
    Matrix centred(n, d);
    std::copy(rows.begin(), rows.end(), centred.data.begin());
    std::vector<double> energy(n, 0.0), column(d, 0.0);
    for (std::size_t k = 0; k < d; ++k) {
      double mean = 0.0;
      for (std::size_t i = 0; i < n; ++i) mean += centred(i, k) / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) {
        const double x = centred(i, k);
        energy[i] += x * x;
        column[k] += x * x;
        centred(i, k) -= mean;
      }
    }
    const auto svd = linalg::singular_values(centred);
    double variance = 0.0, total = 0.0;
    for (const double s : svd.values) variance += s * s;
    for (const double e : energy) total += e;
    EXPECT_NEAR(lead.component_variance, std::pow(svd.values[0], 2) / variance, 1e-3);
    EXPECT_LE(lead.component_variance, std::pow(svd.values[0], 2) / variance + 1e-9);
    const auto k = static_cast<std::size_t>(lead.component_dimension);
    EXPECT_NEAR(lead.component_in_dimension, std::pow(svd.v(k, 0), 2), 0.02);
    EXPECT_EQ(lead.dimension, std::max_element(column.begin(), column.end()) - column.begin());
    EXPECT_NEAR(lead.dimension_energy, *std::max_element(column.begin(), column.end()) / total, 1e-12);
    std::sort(energy.rbegin(), energy.rend());
    const std::size_t one_percent = (n + 99) / 100;
    double top = 0.0;
    for (std::size_t i = 0; i < one_percent; ++i) top += energy[i];
    EXPECT_NEAR(lead.top_token_energy, top / total, 1e-12);
    EXPECT_EQ(std::count(lead.top_token.begin(), lead.top_token.end(), 1),
              static_cast<std::ptrdiff_t>(one_percent));
  }
}

TEST(StateLead, WithoutEnergyOrVarianceIsUndefined) {
  const StateLead zero = state_lead(std::vector<float>(80 * 4, 0.0f), 4);
  EXPECT_TRUE(std::isnan(zero.top_token_energy));
  EXPECT_TRUE(std::isnan(zero.dimension_energy));
  EXPECT_TRUE(std::isnan(zero.component_variance));
  const StateLead constant = state_lead(std::vector<float>(80 * 4, 2.0f), 4);
  EXPECT_NEAR(constant.dimension_energy, 0.25, 1e-12);
  EXPECT_TRUE(std::isnan(constant.component_variance));
}

TEST(CarrierWords, CountWhatHoldsNineTenths) {
  const std::vector<std::int32_t> ids = {5, 7, 5, 7, 5, 9};
  const std::vector<double> weight = {90, 1, 9, 1, 1, 98};
  const auto words = carrier_words(ids, weight, 2);
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].token_id, 5);
  EXPECT_EQ(words[0].occurrences, 3);
  EXPECT_EQ(words[0].count, 1);  // 90 of 100
  EXPECT_NEAR(words[0].share, 0.5, 1e-12);
  EXPECT_EQ(words[1].token_id, 9);
  EXPECT_TRUE(carrier_words(ids, std::vector<double>(6, 0.0), 2).empty());
}

// Token id 3 (a tenth of the tokens) writes dimension 5 at states 1 and 2, in every second occurrence.
TEST(CarriersSignal, NamesAPlantedWordAndItsDimension) {
  World world(3, 16, std::vector<std::vector<int>>(8, {100}));
  world.fill_normal(2);
  for (Window& window : world.corpus.windows) {
    for (std::size_t t = 0; t < window.ids.size(); ++t)
      window.ids[t] = t % 10 == 3 ? 3 : 100 + static_cast<int>(t % 7);
  }
  std::int64_t planted = 0;
  for (std::int64_t t = 3; t < 800; t += 20, ++planted) {
    for (const int state : {1, 2}) world.row(state, t)[5] = 15.0f;
  }
  SweepContext context = world.context();
  context.positions = 800;
  const Trace trace = drive(world, context, carriers_signal());
  ASSERT_EQ(trace.carriers.size(), 8u);
  for (const StateCarrier& carrier : trace.carriers) {
    EXPECT_EQ(carrier.n_tokens, carrier.tokens == TokenSet::all ? 800 : 792);
    const auto s = static_cast<std::size_t>(carrier.state);
    const auto joint = [&](const char* id) { return series(trace, id, carrier.tokens).joint[s]; };
    EXPECT_NEAR(joint("top_token_energy"), carrier.top_token_energy, 1e-12);
    EXPECT_NEAR(joint("top_dimension_energy"), carrier.dimension.share, 1e-12);
    EXPECT_NEAR(joint("top_component_variance"), carrier.component.share, 1e-12);
    if (carrier.state == 0 || carrier.state == 3) {
      EXPECT_LT(carrier.dimension.share, 0.1);
      EXPECT_LT(carrier.dimension.words[0].share, 0.4);
      continue;
    }
    EXPECT_EQ(carrier.dimension.dimension, 5);
    // 40 tokens of 225 among 800 of variance 16.
    const double held = 225.0 * static_cast<double>(planted);
    EXPECT_NEAR(carrier.dimension.share, held / (held + 800 * 16), 0.05);
    EXPECT_GT(carrier.dimension.few_tokens, 0.9);
    EXPECT_NEAR(carrier.dimension.few_size, 15.0, 0.5);
    EXPECT_EQ(carrier.dimension.words[0].token_id, 3);
    EXPECT_EQ(carrier.dimension.words[0].occurrences, 80);
    EXPECT_NEAR(static_cast<double>(carrier.dimension.words[0].count), 0.9 * static_cast<double>(planted),
                1.0);
    EXPECT_GT(carrier.dimension.words[0].share, 0.9);
    EXPECT_EQ(carrier.component.dimension, 5);
    EXPECT_GT(carrier.component.alignment, 0.95);
    EXPECT_EQ(carrier.component.words[0].token_id, 3);
  }
}

// Twenty times a token's RMS in one dimension, on one token in fifty, through the middle of six blocks.
TEST(CarriersSignal, AConstantOnFewTokensIsAnEvent) {
  for (const bool planted : {true, false}) {
    World world(6, 96, std::vector<std::vector<int>>(8, {250}));
    world.fill_normal(4);
    for (Window& window : world.corpus.windows) {
      for (std::size_t t = 0; t < window.ids.size(); ++t)
        window.ids[t] = t % 50 == 7 ? 3 : 100 + static_cast<int>(t % 40);
    }
    for (std::int64_t t = 7; t < 2000 && planted; t += 50) {
      for (const int state : {3, 4}) world.row(state, t)[11] += 20.0f;
    }
    const SweepContext context = world.context();
    Trace trace = drive(world, context, carriers_signal());
    trace.model.n_layers = 6;
    EXPECT_EQ(trace.n_massive, 0);
    const auto events = carrier_events(trace);
    ASSERT_EQ(events.size(), planted ? 1u : 0u);
    if (!planted) continue;
    EXPECT_EQ(events[0].dimension, 11);
    EXPECT_EQ(events[0].words, std::vector<std::string>{"token 3"});
    EXPECT_EQ(events[0].written_by, std::vector<int>{2});
    EXPECT_EQ(events[0].removed_by, std::vector<int>{4});
    EXPECT_NEAR(events[0].token_share, 0.02, 0.003);
  }
}

TEST(CarriersSignal, FewTokensAreUndefinedWithANote) {
  World world(1, 8, {{63}});
  world.fill_normal(3);
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, carriers_signal());
  EXPECT_TRUE(trace.carriers.empty());
  const Series& energy = series(trace, "top_token_energy", TokenSet::all);
  EXPECT_TRUE(std::isnan(energy.joint[0]));
  EXPECT_NE(energy.note.find("63 sampled tokens, at least 64"), std::string::npos) << energy.note;
}

TEST(SinkPaths, AreMediansOverTheMassiveOnes) {
  SinkPaths paths;
  for (int i = 0; i < 5; ++i) paths.count(true, i);
  for (int i = 0; i < 9; ++i) paths.count(false, 4);
  paths.count(false, 6);
  for (int i = 0; i < 3; ++i) {
    paths.follow(
        true, i,
        {.length = {1.0f, 100.0f + static_cast<float>(i)}, .ratio = {1.0f, 30.0f}, .largest = {0, 7}});
  }
  paths.follow(false, 4, {.length = {2.0f, 50.0f}, .ratio = {1.0f, 11.0f}, .largest = {1, 2}});
  paths.follow(false, 4, {.length = {4.0f, 40.0f}, .ratio = {12.0f, 9.0f}, .largest = {1, 3}});
  const auto found = paths.finish(10.0);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].first_position);
  EXPECT_EQ(found[0].token_id, -1);  // several
  EXPECT_EQ(found[0].tokens, 3);
  EXPECT_EQ(found[0].of, 5);
  EXPECT_EQ(found[0].length, (std::vector<double>{1.0, 101.0}));
  EXPECT_EQ(found[0].massive, (std::vector<double>{0.0, 1.0}));
  EXPECT_EQ(found[0].dimension, (std::vector<int>{0, 7}));
  EXPECT_EQ(found[1].token_id, 4);
  EXPECT_EQ(found[1].tokens, 2);
  EXPECT_EQ(found[1].of, 9);
  EXPECT_EQ(found[1].length, (std::vector<double>{3.0, 45.0}));
  EXPECT_EQ(found[1].massive, (std::vector<double>{0.5, 0.5}));
}

}  // namespace
}  // namespace strata
