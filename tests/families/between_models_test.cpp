// T4 to T7: each supported where it holds, refuted where it does not, silent on a null, and undecided with
// few.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/families/families.h"
#include "tests/families/synthetic_evidence.h"

namespace strata {
namespace {

using test::supported_share;
using test::synthetic_card;
using test::synthetic_evidence;
using test::synthetic_models;
using test::verdict_on;

constexpr int kNullStudies = 400;
constexpr double kMostSupported = 0.05;

// Boundaries around 0.25 and 0.7 with this SD.
Evidence spread_model(const std::string& family, int index, double sd, Philox& rng) {
  Evidence e = synthetic_evidence(family, index, 0.25 + sd * rng.normal(), 0.7 + sd * rng.normal());
  e.split.shares.clear();  // no location error but the grid's
  return e;
}

void add_smooth_depths(Evidence& e, double sd, Philox& rng) {
  e.smooth_depths = Matrix(199, 2);
  for (std::size_t i = 0; i < e.smooth_depths.rows; ++i) {
    for (std::size_t b = 0; b < 2; ++b)
      e.smooth_depths(i, b) = test::edge_at((b == 0 ? 0.33 : 0.66) + sd * rng.normal(), 32) / 32.0;
  }
}

TEST(StableFamily, SupportedRefutedUninformativeAndSilent) {
  Philox rng({.seed = 1, .stream = Stream::test});
  const auto study = [&](double sd, double smooth) {
    return synthetic_models(4, [&](const std::string& family, int index) {
      Evidence e = spread_model(family, index, sd, rng);
      add_smooth_depths(e, smooth, rng);
      return e;
    });
  };
  const Verdict stable = verdict_on("T4", study(0.005, 0.1));
  EXPECT_EQ(stable.outcome, Outcome::supported) << stable.reason;
  const Verdict wide = verdict_on("T4", study(0.2, 0.1));
  EXPECT_EQ(wide.outcome, Outcome::refuted) << wide.reason;
  const Verdict uninformative = verdict_on("T4", study(0.02, 0.01));
  EXPECT_EQ(uninformative.outcome, Outcome::undecided) << uninformative.reason;
  EXPECT_EQ(uninformative.tag, "stable but uninformative");
  EXPECT_LE(supported_share("T4", kNullStudies,
                            [](Philox& null_rng) {
                              return synthetic_models(3, [&](const std::string& family, int index) {
                                Evidence e = spread_model(family, index, 0.04, null_rng);
                                add_smooth_depths(e, 0.04, null_rng);
                                return e;
                              });
                            }),
            kMostSupported);
}

TEST(VariableFamily, SupportedRefutedAndSilent) {
  Philox rng({.seed = 2, .stream = Stream::test});
  const auto study = [&](double llama, double qwen) {
    return synthetic_models(6, [&](const std::string& family, int index) {
      return spread_model(family, index, family == "llama" ? llama : qwen, rng);
    });
  };
  const Verdict variable = verdict_on("T5", study(0.01, 0.15));
  EXPECT_EQ(variable.outcome, Outcome::supported) << variable.reason;
  const Verdict reversed = verdict_on("T5", study(0.15, 0.01));
  EXPECT_EQ(reversed.outcome, Outcome::refuted) << reversed.reason;
  EXPECT_LE(supported_share("T5", kNullStudies,
                            [](Philox& null_rng) {
                              return synthetic_models(4, [&](const std::string& family, int index) {
                                return spread_model(family, index, 0.08, null_rng);
                              });
                            }),
            kMostSupported);
}

TEST(VariableFamily, FourAndFourAllowSeventyLabelings) {
  Philox rng({.seed = 3, .stream = Stream::test});
  const auto models = synthetic_models(
      4, [&](const std::string& f, int i) { return spread_model(f, i, f == "llama" ? 0.005 : 0.15, rng); });
  const Verdict v = verdict_on("T5", models);
  EXPECT_DOUBLE_EQ(v.smallest_p, 1.0 / 70.0);
  EXPECT_NE(v.reason.find("70 labelings"), std::string::npos) << v.reason;
  // Adjusted for four between-model tests 1/70 is 0.057, so five of each are needed.
  EXPECT_EQ(models_for_labels(0.05 / 4, false), 5);
  EXPECT_EQ(models_for_labels(0.05 / 4, true), 5);
}

// Kappa falls with depth; `function` and `scale` move the whole profile of the family qwen.
Evidence brittle_model(const std::string& family, int index, double function, double scale, double between,
                       Philox& rng) {
  Evidence e = synthetic_evidence(family, index, 0.25, 0.7);
  const double own = between * rng.normal() + (family == "qwen" ? function : 0.0);
  const double ln_rms = (family == "qwen" ? -0.5 * scale : 0.0) + 0.1 * rng.normal();
  for (int l = 0; l < e.n_layers; ++l) {
    e.ln_kappa.push_back(5.0 - 0.1 * l + own);
    e.ln_absolute.push_back(e.ln_kappa.back() - 2.0 * ln_rms);
    e.ln_rms.push_back(ln_rms + 0.3);
  }
  return e;
}

TEST(BrittlenessGap, SupportedRefutedAndSilent) {
  Philox rng({.seed = 4, .stream = Stream::test});
  const auto study = [&](double function, double scale) {
    return synthetic_models(
        5, [&](const std::string& f, int i) { return brittle_model(f, i, function, scale, 0.3, rng); });
  };
  const Verdict gap = verdict_on("T6", study(4.0, 0.0));
  EXPECT_EQ(gap.outcome, Outcome::supported) << gap.reason;
  EXPECT_EQ(gap.tag, "");
  const Verdict scale = verdict_on("T6", study(0.0, std::log(493.0)));
  EXPECT_EQ(scale.outcome, Outcome::refuted) << scale.reason;
  EXPECT_EQ(scale.tag, "scale artefact") << scale.reason;
  EXPECT_NE(scale.reason.find("scale artefact"), std::string::npos);
  EXPECT_LE(supported_share("T6", kNullStudies,
                            [](Philox& null_rng) {
                              return synthetic_models(4, [&](const std::string& f, int i) {
                                return brittle_model(f, i, 0.0, 6.0, 3.0, null_rng);
                              });
                            }),
            kMostSupported);
}

TEST(BrittlenessGap, TheSplitIsExact) {
  Philox rng({.seed = 5, .stream = Stream::test});
  const auto models = synthetic_models(
      3, [&](const std::string& f, int i) { return brittle_model(f, i, 1.5, 4.0, 0.2, rng); });
  const ModelList all = {&models[0], &models[1], &models[2], &models[3], &models[4], &models[5]};
  for (std::size_t s = 0; s < 3; ++s) {
    const SegmentGap gap = segment_gap(of_family(all, "qwen"), of_family(all, "llama"), s);
    EXPECT_NEAR(gap.ln_absolute, gap.ln_kappa + gap.scale, 1e-12);
    EXPECT_NEAR(gap.rms_scale + gap.remainder, gap.scale, 1e-12);
    EXPECT_NEAR(gap.remainder, 0.0, 1e-12);  // rms and rms_eff differ by one factor everywhere
    EXPECT_LE(gap.smallest_pair, gap.ln_absolute);
    EXPECT_GE(gap.largest_pair, gap.ln_absolute);
  }
}

// In words and in the record: relative x scale = absolute, as factors with their direction.
TEST(BrittlenessGap, SignedFactorsMultiply) {
  Philox rng({.seed = 15, .stream = Stream::test});
  auto models = synthetic_models(
      5, [&](const std::string& f, int i) { return brittle_model(f, i, -0.2165, 1.924, 0.2, rng); });
  models[7].ln_absolute.clear();  // no backward sweep: left out of all three factors
  models[2].ln_absolute[3] = kUndefined;
  const auto value = [](const Verdict& v, const std::string& name) {
    for (const Quantity& q : v.quantities) {
      if (q.name == name) return q.value;
    }
    ADD_FAILURE() << "no quantity " << name;
    return kUndefined;
  };
  const Verdict v = verdict_on("T6", models);
  for (const std::string segment : {"Local", "all blocks"}) {
    const std::string of = segment + ", qwen over llama: ";
    const double relative = value(v, of + "relative noise");
    EXPECT_LT(relative, 1.0);
    EXPECT_NEAR(relative * value(v, of + "scale"), value(v, of + "absolute noise"), 1e-12);
  }
  EXPECT_DOUBLE_EQ(v.effect, value(v, "Local, qwen over llama: relative noise"));
  EXPECT_EQ(v.outcome, Outcome::refuted) << v.reason;
  EXPECT_TRUE(v.claimed_outside);
  // In the other direction the factors are the reciprocals.
  StudyCard swapped = synthetic_card();
  std::swap(swapped.stable_family, swapped.variable_family);
  const Verdict w = verdict_on("T6", models, swapped);
  EXPECT_NEAR(w.effect * v.effect, 1.0, 1e-12);
  EXPECT_NE(w.reason.find("llama over qwen"), std::string::npos) << w.reason;
  // A gap of a hundred in either direction is what the paper claims.
  for (const double gap : {-std::log(100.0), std::log(100.0)}) {
    const auto far = synthetic_models(
        5, [&](const std::string& f, int i) { return brittle_model(f, i, gap, 0.0, 0.2, rng); });
    EXPECT_EQ(verdict_on("T6", far).outcome, Outcome::supported);
  }
}

// Without selected boundaries there is no Local segment; the gap over the whole depth is there all the same.
TEST(BrittlenessGap, MootWithoutBoundariesButMeasuredOverAllBlocks) {
  Philox rng({.seed = 16, .stream = Stream::test});
  auto models = synthetic_models(
      5, [&](const std::string& f, int i) { return brittle_model(f, i, 0.0, std::log(493.0), 0.1, rng); });
  for (Evidence& e : models) test::select_none(e);
  const Verdict v = verdict_on("T6", models);
  EXPECT_EQ(v.outcome, Outcome::moot);
  EXPECT_TRUE(std::isnan(v.effect));
  EXPECT_TRUE(std::isnan(v.p_value));
  EXPECT_EQ(v.tag, "scale artefact");
  ASSERT_GE(v.quantities.size(), 3u);
  EXPECT_EQ(v.quantities[0].name, "all blocks, qwen over llama: relative noise");
  EXPECT_NEAR(v.quantities[0].value * v.quantities[1].value, v.quantities[2].value, 1e-9);
  EXPECT_NE(v.reason.find("Over all blocks, which needs no boundaries, qwen over llama"), std::string::npos)
      << v.reason;
}

// Two models with the same function on the same documents: the relative ratio is 1 in every resample.
TEST(BrittlenessGap, APairOfEqualFunctionReadsScaleArtefact) {
  Philox rng({.seed = 6, .stream = Stream::test});
  auto models =
      synthetic_models(1, [&](const std::string& f, int i) { return synthetic_evidence(f, i, 0.25, 0.7); });
  for (Evidence& e : models) {
    const double shift = e.family == "qwen" ? 2.0 * std::log(32.0) : 0.0;
    e.kappa_resamples = e.absolute_resamples = Matrix(199, 32);
    e.ln_kappa.assign(32, 3.0);
    e.ln_absolute.assign(32, 3.0 + shift);
    Philox documents({.seed = 9, .stream = Stream::test});
    for (std::size_t i = 0; i < e.kappa_resamples.data.size(); ++i) {
      e.kappa_resamples.data[i] = 3.0 + 0.1 * documents.normal();
      e.absolute_resamples.data[i] = e.kappa_resamples.data[i] + shift;
    }
  }
  const Verdict v = verdict_on("T6", models);
  EXPECT_EQ(v.outcome, Outcome::undecided);
  EXPECT_EQ(v.tag, "scale artefact") << v.reason;
  EXPECT_EQ(v.models_needed, 5);
  const SegmentGap gap = segment_gap({&models[1]}, {&models[0]}, 0);
  EXPECT_EQ(gap.ln_kappa, 0.0);
  EXPECT_EQ(gap.ln_kappa_interval_90.lo, 0.0);
  EXPECT_EQ(gap.ln_kappa_interval_90.hi, 0.0);
  EXPECT_NEAR(std::exp(gap.ln_absolute), 1024.0, 1e-9);
}

TEST(FamilyOverSize, SupportedRefutedAndSilent) {
  Philox rng({.seed = 7, .stream = Stream::test});
  const auto at = [](const std::string& family, int index, double depth, double sd, Philox& noise) {
    Evidence e =
        synthetic_evidence(family, index, depth + sd * noise.normal(), depth + 0.4 + sd * noise.normal());
    return e;
  };
  const auto by_family = synthetic_models(
      6, [&](const std::string& f, int i) { return at(f, i, f == "llama" ? 0.2 : 0.4, 0.02, rng); });
  const Verdict family = verdict_on("T7", by_family);
  EXPECT_EQ(family.outcome, Outcome::supported) << family.reason;
  const auto by_size =
      synthetic_models(8, [&](const std::string& f, int i) { return at(f, i, 0.15 + 0.04 * i, 0.02, rng); });
  const Verdict size = verdict_on("T7", by_size);
  EXPECT_EQ(size.outcome, Outcome::refuted) << size.reason;
  EXPECT_LE(supported_share("T7", kNullStudies,
                            [&](Philox& null_rng) {
                              return synthetic_models(4, [&](const std::string& f, int i) {
                                return at(f, i, 0.15 + 0.04 * i, 0.05, null_rng);
                              });
                            }),
            kMostSupported);
}

TEST(BetweenModels, ThreeModelsOfThreeStylesAreUndecidedAndSayHowMany) {
  std::vector<Evidence> models = {synthetic_evidence("llama", 0, 0.25, 0.7),
                                  synthetic_evidence("qwen", 0, 0.25, 0.7),
                                  synthetic_evidence("qwen", 1, 0.25, 0.7)};
  for (const char* id : {"T4", "T5", "T6", "T7"}) {
    const Verdict v = verdict_on(id, models);
    EXPECT_EQ(v.outcome, Outcome::undecided) << id;
    EXPECT_GE(v.models_needed, 3) << id;
    const char* const of =
        std::string(id) == "T4" ? "models of the family are needed" : "models of each family are needed";
    EXPECT_NE(v.reason.find(of), std::string::npos) << v.reason;
  }
}

TEST(Settle, HolmWithinTheSets) {
  Philox rng({.seed = 8, .stream = Stream::test});
  const auto models = synthetic_models(
      4, [&](const std::string& f, int i) { return spread_model(f, i, f == "llama" ? 0.005 : 0.15, rng); });
  const StudyCard card = synthetic_card();
  const auto verdicts = judge(test::view_of(models, card));
  ASSERT_EQ(verdicts.size(), 10u);
  std::vector<double> between;
  for (const Verdict& v : verdicts) {
    EXPECT_FALSE(v.reason.empty()) << v.id;
    if (v.set == TestSet::descriptive) {
      EXPECT_TRUE(std::isnan(v.p_value) || v.p_adjusted == v.p_value);
    }
    if (v.set == TestSet::between_model && !std::isnan(v.p_value)) {
      between.push_back(v.p_adjusted);
      EXPECT_GE(v.p_adjusted, v.p_value);
    }
  }
  EXPECT_GE(between.size(), 2u);
  EXPECT_EQ(verdicts[0].id, "T1");
  EXPECT_EQ(verdicts[9].id, "T10");
}

TEST(Statistics, BrownForsytheAndWelch) {
  // Two models each: depths 0.25 -+ 1/32 and 0.5 -+ 4/32 etc. are simple enough to check by hand.
  std::vector<Evidence> models;
  for (const int d : {-1, 0, 1})
    models.push_back(synthetic_evidence("llama", d + 1, (8 + d) / 32.0, (20 + d) / 32.0));
  for (const int d : {-4, 0, 4})
    models.push_back(synthetic_evidence("qwen", d + 4, (8 + d) / 32.0, (20 + d) / 32.0));
  const ModelList llama = {&models[0], &models[1], &models[2]}, qwen = {&models[3], &models[4], &models[5]};
  const SpreadContrast c = contrast_spread(qwen, llama, synthetic_card());
  // |deviation from the median| in edges: 1 0 1 1 0 1 and 4 0 4 4 0 4: means 2/3 and 8/3, variances 4/15 and
  // 64/15.
  EXPECT_NEAR(c.brown_forsythe_f, 12.0 / ((5 * 4.0 / 15 + 5 * 64.0 / 15) / 10), 1e-9);
  const MeanContrast m = contrast_means({1, 2, 3}, {0, 4});
  EXPECT_NEAR(m.difference, 0.0, 1e-12);
  // Welch: s^2/n = 1/3 and 4; freedom (13/3)^2 / ((1/9)/2 + 16/1) = 1.169.
  EXPECT_GT(m.interval_90.hi, 2.0 * std::sqrt(13.0 / 3.0));
  EXPECT_NEAR(pooled_depth_sd(llama), 1.0 / 32.0, 1e-12);
}

}  // namespace
}  // namespace strata
