// T1, T2, T3, T8, T9, T10: each supported where it holds, refuted where it does not, and silent on a null.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/families/displacement.h"
#include "tests/families/synthetic_evidence.h"

namespace strata {
namespace {

using test::edge_at;
using test::supported_share;
using test::synthetic_evidence;
using test::synthetic_models;
using test::synthetic_split;
using test::verdict_on;

constexpr int kNullStudiesWithin = 400;
constexpr double kMostSupportedWithin = 0.05;

Evidence plain(const std::string& family, int index) {
  return synthetic_evidence(family, index, 0.25, 0.7);
}

TEST(BoundaryCount, SupportedRefutedAndSilent) {
  auto models = synthetic_models(4, plain);
  EXPECT_EQ(verdict_on("T1", models).outcome, Outcome::supported);
  for (Evidence& e : models) e.selected_k = e.family == "qwen" ? 2 : 0;
  const Verdict half = verdict_on("T1", models);
  EXPECT_EQ(half.outcome, Outcome::undecided)
      << half.reason;  // too many for smooth curves, too few for the claim
  for (Evidence& e : models) e.selected_k = e.model == "llama-0" ? 2 : 3;
  const Verdict refuted = verdict_on("T1", models);
  EXPECT_EQ(refuted.outcome, Outcome::refuted) << refuted.reason;
  EXPECT_NEAR(refuted.effect_interval_90.hi, 0.4707, 1e-3);  // Clopper and Pearson's 95% for 1 of 8
  EXPECT_LE(supported_share("T1", kNullStudiesWithin,
                            [](Philox& rng) {
                              auto null = synthetic_models(4, plain);
                              for (Evidence& e : null) e.selected_k = rng.uniform() < 0.05 ? 2 : 0;
                              return null;
                            }),
            kMostSupportedWithin);
}

TEST(BoundaryCount, ShallowModelsCannotRefuteAndOneModelCannotSupport) {
  auto models = synthetic_models(3, plain);
  for (Evidence& e : models) {
    e.n_layers = 12;
    e.selected_k = 0;
  }
  EXPECT_EQ(verdict_on("T1", models).outcome, Outcome::undecided);
  const Verdict one = verdict_on("T1", {plain("llama", 0)});
  EXPECT_EQ(one.outcome, Outcome::undecided);
  EXPECT_EQ(one.models_needed, 2);
}

TEST(BoundaryCount, NetworksWithRandomWeightsStandBesideIt) {
  auto models = synthetic_models(4, plain);
  EXPECT_EQ(verdict_on("T1", models).reason.find("random"), std::string::npos);
  models[0].random_networks = 19;
  models[0].random_rank = 3;
  const Verdict verdict = verdict_on("T1", models);
  EXPECT_NE(verdict.reason.find("Jumps fit llama-0 better than 17 of 19 networks with random weights"),
            std::string::npos)
      << verdict.reason;
  EXPECT_EQ(verdict.outcome, Outcome::supported);
}

TEST(SinkIndependence, SupportedRefutedAndSilent) {
  auto models = synthetic_models(4, plain);
  const Verdict same = verdict_on("T2", models);
  EXPECT_EQ(same.outcome, Outcome::supported) << same.reason;
  EXPECT_LT(same.effect_interval_90.hi, 0.05);
  for (Evidence& e : models) e.with_sinks = synthetic_split(2, edge_at(0.7, 32), 32);  // pulled to the onset
  const Verdict shifted = verdict_on("T2", models);
  EXPECT_EQ(shifted.outcome, Outcome::refuted) << shifted.reason;
  // A shift of exactly the margin, with location errors as the resamples say.
  EXPECT_LE(supported_share("T2", 2 * kNullStudiesWithin,
                            [](Philox& rng) {
                              const auto off = [&] {
                                const double u = rng.uniform();
                                return u < 0.2 ? -1.0 : u < 0.4 ? 1.0 : 0.0;
                              };
                              auto null = synthetic_models(4, plain);
                              for (Evidence& e : null) {
                                int edges[2][2];
                                for (std::size_t b = 0; b < 2; ++b) {
                                  const double at = (b == 0 ? 0.25 : 0.7) * 32.0 + rng.uniform() - 0.5;
                                  const double shift = (rng.below(2) == 0 ? -0.05 : 0.05) * 32.0;
                                  edges[0][b] = static_cast<int>(std::lround(at + off()));
                                  edges[1][b] = static_cast<int>(std::lround(at + shift + off()));
                                }
                                e.split = synthetic_split(edges[0][0], edges[0][1], 32);
                                e.with_sinks = synthetic_split(edges[1][0], edges[1][1], 32);
                              }
                              return null;
                            }),
            kMostSupportedWithin);
}

TEST(SinkIndependence, NeedsSelectedBoundaries) {
  auto models = synthetic_models(3, plain);
  for (Evidence& e : models) e.with_sinks = {};  // with sink tokens the tests select another number
  const Verdict v = verdict_on("T2", models);
  EXPECT_EQ(v.outcome, Outcome::moot);
  EXPECT_NE(v.reason.find("in 0 of 6 models both with sink tokens and without"), std::string::npos)
      << v.reason;
}

// Forced splits exist in any model: where the tests select none, nothing is decided and no p is given.
TEST(ForcedSplits, DecideNothing) {
  Philox rng({.seed = 12, .stream = Stream::test});
  auto models = synthetic_models(6, plain);
  for (Evidence& e : models) {
    e.ln_kappa = e.ln_skip_kl = e.ln_beta = e.ln_absolute = std::vector<double>(32, 1.0);
    for (double& x : e.ln_kappa) x += 0.1 * rng.normal();
    e.smooth_depths = Matrix(199, 2, 0.5);
    test::select_none(e);
    e.power = 0.4;
  }
  for (const char* id : {"T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10"}) {
    const Verdict v = verdict_on(id, models);
    EXPECT_EQ(v.outcome, Outcome::moot) << id << v.reason;
    EXPECT_TRUE(std::isnan(v.p_value)) << id;
    EXPECT_TRUE(std::isnan(v.effect)) << id;
    EXPECT_FALSE(v.forced);
    EXPECT_EQ(v.models_selected, 0) << id;
    EXPECT_GT(v.models_tested, 5) << id;
    EXPECT_DOUBLE_EQ(v.power, 0.4) << id;
    EXPECT_NE(v.reason.find("Moot: the tests select two boundaries in 0 of "), std::string::npos) << v.reason;
    EXPECT_NE(v.reason.find("needed"), std::string::npos) << v.reason;
    EXPECT_NE(v.reason.find("in 40% of cases"), std::string::npos) << v.reason;
  }
  EXPECT_NE(verdict_on("T1", models).outcome, Outcome::moot);
  for (Evidence& e : models) e.power = kUndefined;
  EXPECT_NE(verdict_on("T3", models).reason.find("is not in these records"), std::string::npos);
}

// Too few models with boundaries is moot where others lack them, and want of models where none does.
TEST(ForcedSplits, TooFewSelectedIsMootTooFewModelsIsUndecided) {
  auto models = synthetic_models(3, plain);
  EXPECT_EQ(verdict_on("T5", models).outcome, Outcome::undecided);
  test::select_none(models[0]);
  const Verdict v = verdict_on("T5", models);
  EXPECT_EQ(v.outcome, Outcome::moot);
  EXPECT_EQ(v.models_selected, 5);
  EXPECT_EQ(v.models_tested, 6);
  EXPECT_NE(v.reason.find("in 3 of 3 models of the family 'qwen' and in 2 of 3 models of 'llama'"),
            std::string::npos)
      << v.reason;
  // Where no detector could be tested there is nothing to say about selection.
  for (Evidence& e : models) e.tested = false;
  for (const char* id : {"T3", "T4", "T5", "T8"}) {
    for (Evidence& e : models) test::select_none(e);
    const Verdict untested = verdict_on(id, models);
    EXPECT_EQ(untested.outcome, Outcome::undecided) << id;
    EXPECT_NE(untested.reason.find("no run has a detector"), std::string::npos) << untested.reason;
  }
}

// Mean |db|: 3 and 1 blocks of 32 apart.
TEST(DetectorIndependence, OneDistance) {
  Philox rng({.seed = 13, .stream = Stream::test});
  auto models = synthetic_models(1, plain);
  models.resize(1);
  Evidence& e = models[0];
  e.by_detector = {synthetic_split(8, 20, 32), synthetic_split(11, 21, 32)};
  for (int i = 0; i < 199; ++i) e.smooth_distance.push_back(0.4 * rng.uniform());
  const Verdict v = verdict_on("T3", models);
  EXPECT_DOUBLE_EQ(v.effect, 2.0 / 32.0);
  EXPECT_DOUBLE_EQ(split_distance(e.by_detector, 32), v.effect);
  EXPECT_LE(v.effect_interval_90.lo, v.effect);
  EXPECT_GE(v.effect_interval_90.hi, v.effect);
  ASSERT_EQ(v.quantities.size(), 1u);
  EXPECT_DOUBLE_EQ(v.quantities[0].value, v.effect);
  // A detector that selects another number does not count, and with it the distance is gone.
  e.by_detector[1] = {};
  EXPECT_EQ(verdict_on("T3", models).outcome, Outcome::moot);
}

// The 90% interval of the distance holds the true one in 85 to 97% of studies, near and far.
TEST(DetectorIndependence, IntervalsCover) {
  for (const double blocks : {0.0, 1.3, 2.0, 5.5}) {
    int covered = 0;
    constexpr int kTrials = 300;
    for (int s = 0; s < kTrials; ++s) {
      Philox rng({.seed = 21, .stream = Stream::test, .a = static_cast<std::uint32_t>(s)});
      const auto off = [&] {
        const double u = rng.uniform();
        return u < 0.2 ? -1 : u < 0.4 ? 1 : 0;
      };
      std::vector<Split> splits;
      for (int m = 0; m < 4; ++m) {
        int edges[2][2];
        for (std::size_t b = 0; b < 2; ++b) {
          const double at = (b == 0 ? 9.0 : 22.0) + rng.uniform() - 0.5;
          const double other = at + (rng.below(2) == 0 ? -blocks : blocks);
          edges[0][b] = static_cast<int>(std::lround(at)) + off();
          edges[1][b] = static_cast<int>(std::lround(other)) + off();
        }
        splits.push_back(synthetic_split(edges[0][0], edges[0][1], 32));
        splits.push_back(synthetic_split(edges[1][0], edges[1][1], 32));
      }
      std::vector<SplitPair> pairs;
      for (std::size_t i = 0; i < splits.size(); i += 2) pairs.push_back({&splits[i], &splits[i + 1], 32});
      const Displacement d = estimate_displacement(
          pairs, 0.05, 199, {.seed = static_cast<std::uint64_t>(s), .stream = Stream::bootstrap});
      const double truth = blocks / 32.0;
      covered += d.interval_90.lo <= truth + 1e-9 && truth <= d.interval_90.hi + 1e-9 ? 1 : 0;
    }
    EXPECT_GE(covered, 0.85 * kTrials) << blocks;
    if (blocks > 0.0) {
      EXPECT_LE(covered, 0.98 * kTrials) << blocks;
    }
  }
}

TEST(DetectorIndependence, SupportedRefutedAndSilent) {
  // On smooth curves detectors are 0 to 0.4 of the depth apart.
  const auto with_surrogates = [](std::vector<Evidence> models, Philox& rng) {
    for (Evidence& e : models) {
      for (int i = 0; i < 199; ++i) e.smooth_distance.push_back(0.4 * rng.uniform());
    }
    return models;
  };
  Philox rng({.seed = 3, .stream = Stream::test});
  auto models = with_surrogates(synthetic_models(4, plain), rng);
  const Verdict same = verdict_on("T3", models);
  EXPECT_EQ(same.outcome, Outcome::supported) << same.reason;
  for (Evidence& e : models) e.by_detector[1] = synthetic_split(edge_at(0.4, 32), edge_at(0.85, 32), 32);
  const Verdict apart = verdict_on("T3", models);
  EXPECT_EQ(apart.outcome, Outcome::refuted) << apart.reason;
  // Detectors that are as far apart as on smooth curves, near or not.
  EXPECT_LE(supported_share("T3", kNullStudiesWithin,
                            [&](Philox& null_rng) {
                              auto null = synthetic_models(2, plain);
                              for (Evidence& e : null) {
                                const auto distance = [&] { return static_cast<int>(null_rng.below(4)); };
                                const int d = distance();
                                e.by_detector[1] =
                                    synthetic_split(edge_at(0.25, 32) + d, edge_at(0.7, 32) + d, 32);
                                for (int i = 0; i < 199; ++i) e.smooth_distance.push_back(distance() / 32.0);
                              }
                              return null;
                            }),
            kMostSupportedWithin);
}

// ln kappa: a quadratic, noise, and steps of `height` at the model's boundaries (or elsewhere).
void add_brittleness(Evidence& e, double height, const std::vector<int>& edges, Philox& rng) {
  for (auto* values : {&e.ln_kappa, &e.ln_skip_kl}) {
    values->clear();
    for (int l = 0; l < e.n_layers; ++l) {
      const double u = static_cast<double>(l) / e.n_layers;
      double x = 6.0 - 4.0 * u + 2.0 * u * u + 0.1 * rng.normal();
      for (const int edge : edges) x += l >= edge ? height * (edge % 2 == 0 ? 1.0 : -1.0) : 0.0;
      values->push_back(x);
    }
  }
}

TEST(FunctionalBoundaries, SupportedRefutedAndSilent) {
  Philox rng({.seed = 4, .stream = Stream::test});
  auto models = synthetic_models(4, plain);
  for (Evidence& e : models) add_brittleness(e, 1.0, e.split.edges, rng);
  const Verdict jump = verdict_on("T8", models);
  EXPECT_EQ(jump.outcome, Outcome::supported) << jump.reason;
  // It jumps, but two edges away from every boundary.
  for (Evidence& e : models) add_brittleness(e, 1.0, {e.split.edges[0] + 2, e.split.edges[1] - 2}, rng);
  const Verdict elsewhere = verdict_on("T8", models);
  EXPECT_EQ(elsewhere.outcome, Outcome::refuted) << elsewhere.reason;
  EXPECT_LE(supported_share("T8", kNullStudiesWithin,
                            [](Philox& null_rng) {
                              auto null = synthetic_models(4, plain);
                              for (Evidence& e : null) add_brittleness(e, 0.0, {}, null_rng);
                              return null;
                            }),
            kMostSupportedWithin);
}

TEST(FunctionalBoundaries, SaysHowManyModelsItNeeds) {
  Philox rng({.seed = 5, .stream = Stream::test});
  Evidence e = plain("llama", 0);
  e.n_layers = 12;
  e.split = synthetic_split(4, 8, 12);
  add_brittleness(e, 1.0, e.split.edges, rng);
  const Verdict v = verdict_on("T8", {e});
  EXPECT_EQ(v.outcome, Outcome::undecided);
  EXPECT_GT(v.models_needed, 1);
  EXPECT_NE(v.reason.find("models are needed"), std::string::npos) << v.reason;
}

// ln beta: a quadratic, AR(1) noise, and a level for each segment.
void add_beta(Evidence& e, double level, double rho, Philox& rng) {
  double noise = rng.normal();
  e.ln_beta.clear();
  for (int l = 0; l < e.n_layers; ++l) {
    const double u = static_cast<double>(l) / e.n_layers;
    const bool middle = l >= e.split.edges[0] && l < e.split.edges[1];
    e.ln_beta.push_back(-2.0 + 3.0 * u - u * u + 0.1 * noise + (middle ? level : 0.0));
    noise = rho * noise + std::sqrt(1.0 - rho * rho) * rng.normal();
  }
}

TEST(SegmentCompression, SupportedRefutedAndSilent) {
  Philox rng({.seed = 6, .stream = Stream::test});
  auto models = synthetic_models(4, plain);
  for (Evidence& e : models) add_beta(e, 1.0, 0.0, rng);
  const Verdict differ = verdict_on("T9", models);
  EXPECT_EQ(differ.outcome, Outcome::supported) << differ.reason;
  for (Evidence& e : models) add_beta(e, 0.0, 0.0, rng);
  const Verdict smooth = verdict_on("T9", models);
  EXPECT_EQ(smooth.outcome, Outcome::refuted) << smooth.reason;
  for (const double rho : {0.0, 0.5}) {
    EXPECT_LE(supported_share("T9", 200,
                              [&](Philox& null_rng) {
                                auto null = synthetic_models(2, plain);
                                for (Evidence& e : null) add_beta(e, 0.0, rho, null_rng);
                                return null;
                              }),
              kMostSupportedWithin)
        << rho;
  }
  EXPECT_NE(verdict_on("T9", synthetic_models(3, plain)).reason.find("no compression weights"),
            std::string::npos);
}

std::vector<Evidence> on_three_texts(double text_sd, double model_sd, Philox& rng) {
  std::vector<Evidence> all;
  for (int m = 0; m < 4; ++m) {
    const double own[] = {model_sd * rng.normal(), model_sd * rng.normal()};
    for (const std::string text : {"tales", "documentation", "source"}) {
      all.push_back(synthetic_evidence("llama", m, 0.3 + own[0] + text_sd * rng.normal(),
                                       0.7 + own[1] + text_sd * rng.normal()));
      all.back().text = text;
    }
  }
  return all;
}

TEST(TextIndependence, SupportedRefutedAndSilent) {
  Philox rng({.seed = 8, .stream = Stream::test});
  const Verdict same = verdict_on("T10", on_three_texts(0.0, 0.1, rng));
  EXPECT_EQ(same.outcome, Outcome::supported) << same.reason;
  // All models move together with the text.
  std::vector<Evidence> moving;
  const double at[] = {0.15, 0.3, 0.45};
  for (int m = 0; m < 4; ++m) {
    for (std::size_t t = 0; t < 3; ++t) {
      moving.push_back(synthetic_evidence("llama", m, at[t], at[t] + 0.4));
      moving.back().text = t == 0 ? "tales" : t == 1 ? "documentation" : "source";
    }
  }
  const Verdict moves = verdict_on("T10", moving);
  EXPECT_EQ(moves.outcome, Outcome::refuted) << moves.reason;
  EXPECT_LE(
      supported_share("T10", 1000, [](Philox& null_rng) { return on_three_texts(0.08, 0.0, null_rng); }),
      kMostSupportedWithin);
  moving.resize(6);
  const Verdict few = verdict_on("T10", moving);
  EXPECT_EQ(few.outcome, Outcome::undecided);
  EXPECT_EQ(few.models_needed, 3);
  test::select_none(moving[0]);
  const Verdict moot = verdict_on("T10", moving);
  EXPECT_EQ(moot.outcome, Outcome::moot);
  EXPECT_NE(moot.reason.find("in 5 of 6 runs"), std::string::npos) << moot.reason;
}

}  // namespace
}  // namespace strata
