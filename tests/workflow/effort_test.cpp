// What an effort buys: from counts alone, within its price, and less of it is a part of more.
#include "strata/workflow/effort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/sweep/cost.h"
#include "strata/theory/kappa.h"
#include "strata/workflow/analysis.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

class Efforts : public testing::Test {
 protected:
  Efforts()
      : model_(Model::open(test::repo_path("models/llama-nano"))),
        text_(load_text(model_, {.path = test::repo_path("texts/tales"), .context = 128, .chunks = 48})) {
    request_.surrogates = 19;
    request_.replicates = 20;
    request_.null_models = "0";
    request_.shuffled_text = "none";
  }
  [[nodiscard]] MeasureOptions options(Effort effort) {
    request_.effort = effort;
    MeasureOptions options{.threads = 2};
    apply_effort(request_, {.checkpoint = model_.checkpoint(), .corpus = text_.loaded().corpus}, options);
    return options;
  }
  [[nodiscard]] strata::Run run(Effort effort) {
    request_.effort = effort;
    return analyze(model_, text_, request_, {.threads = 2});
  }

  test::TemporaryDirectory directory_;
  Model model_;
  Text text_;
  Request request_;
};

const DoseCurve* find(const strata::Run& run, const DoseCurve& like) {
  for (const DoseCurve& curve : run.trace.curves) {
    if (curve.intervention == like.intervention && curve.place == like.place && curve.span == like.span)
      return &curve;
  }
  return nullptr;
}

TEST_F(Efforts, AStandardRunCostsAtMostEightForwardPasses) {
  const Text whole = load_text(model_, {.path = test::repo_path("texts/tales")});
  for (const Effort effort : {Effort::quick, Effort::standard, Effort::thorough}) {
    Request request;
    request.effort = effort;
    const Analysis analysis(model_, whole, request, {.threads = 2});
    const double passes =
        (analysis.plan().flops + analysis.nulls().text.sweeps * analysis.nulls().text.one.flops +
         analysis.nulls().models.flops) /
        analysis.plan().forward_flops;
    EXPECT_GT(passes, effort == Effort::quick ? 1.0 : effort == Effort::standard ? 4.0 : 20.0);
    EXPECT_LT(passes, effort == Effort::quick ? 3.0 : effort == Effort::standard ? 8.0 : 100.0);
  }
}

TEST_F(Efforts, QuickHasKappaAndNoLanes) {
  const strata::Run quick = run(Effort::quick);
  EXPECT_EQ(quick.trace.run.effort, "quick");
  EXPECT_TRUE(quick.trace.curves.empty());
  ASSERT_EQ(quick.findings.kappa.size(), 13u);
  for (const KappaEstimate& k : quick.findings.kappa) {
    EXPECT_EQ(k.estimator, "backward");
    EXPECT_GT(k.kappa, 0.0);
  }
}

// What both measure is equal to the bit; a sampled value lies within its error of the whole one.
TEST_F(Efforts, StandardIsAPartOfThorough) {
  const strata::Run standard = run(Effort::standard), thorough = run(Effort::thorough);
  int compared = 0, sampled = 0, far = 0;
  for (const DoseCurve& curve : standard.trace.curves) {
    const DoseCurve* whole = find(thorough, curve);
    ASSERT_NE(whole, nullptr) << curve.intervention << " at " << curve.place;
    ASSERT_TRUE(whole->documents.empty());
    const std::vector<double> all = weighted_mean(whole->kl_nats, lane_weights(thorough.trace)),
                              part = weighted_mean(curve.kl_nats, lane_weights(standard.trace));
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      const auto at = std::find(whole->strength.begin(), whole->strength.end(), curve.strength[s]);
      ASSERT_NE(at, whole->strength.end());
      const auto column = static_cast<std::size_t>(at - whole->strength.begin());
      for (std::size_t d = 0; d < curve.kl_nats.rows; ++d) {
        if (std::isnan(curve.kl_nats(d, s))) continue;
        EXPECT_EQ(curve.kl_nats(d, s), whole->kl_nats(d, column));
        ++compared;
      }
      if (curve.documents.empty()) continue;
      ++sampled;
      far += std::fabs(part[s] - all[column]) > 3.2 * curve.sampling_error[s] ? 1 : 0;  // t, 3 degrees
    }
  }
  EXPECT_GT(compared, 200);
  EXPECT_GT(sampled, 20);
  EXPECT_LT(far, sampled / 8);
  // Kappa of every state, checked by lanes at some.
  ASSERT_EQ(standard.findings.kappa.size(), 13u);
  int checked = 0;
  for (std::size_t state = 0; state < 13; ++state) {
    const KappaEstimate &k = standard.findings.kappa[state], &whole = thorough.findings.kappa[state];
    checked += std::isfinite(k.check) ? 1 : 0;
    EXPECT_EQ(whole.estimator, "lanes");
    EXPECT_NEAR(k.kappa / whole.kappa, 1.0, 0.15) << state;
  }
  EXPECT_EQ(checked, 3);
}

TEST_F(Efforts, WhatIsAskedForByNameRunsInFull) {
  request_.interventions = {"block_skip"};
  request_.label_samples = 3;
  request_.lens_positions = 7;
  const MeasureOptions o = options(Effort::standard);
  EXPECT_EQ(o.interventions, request_.interventions);
  EXPECT_TRUE(o.shares.empty());
  EXPECT_EQ(o.label_samples, 3);
  EXPECT_EQ(o.lens_positions, 7);
}

TEST_F(Efforts, AnswersComeBeforeTheEnd) {
  std::vector<std::string> order;
  const fs::path page = directory_.path() / "run" / "report.html";
  request_.effort = Effort::standard;
  const strata::Run run = analyze_into(
      {.directory = directory_.path() / "run"}, model_, text_, request_, {.threads = 2},
      [&](const ProgressEvent& event) {
        if (order.empty() || order.back() != event.phase) order.push_back(event.phase);
        return true;
      },
      [&](const Answer& answer) {
        order.push_back("answer: " + answer.part);
        EXPECT_FALSE(answer.sentences.empty());
        EXPECT_NE(read_file(page).find("This run is not finished"), std::string::npos);
      });
  const auto at = [&](const std::string& what) {
    return std::find(order.begin(), order.end(), what) - order.begin();
  };
  EXPECT_LT(at("signals"), at("answer: boundaries"));
  EXPECT_LT(at("answer: boundaries"), at("backward sweep"));
  EXPECT_LT(at("backward sweep"), at("answer: kappa"));
  EXPECT_LT(at("answer: kappa"), at("lanes"));
  EXPECT_LT(at("lanes"), static_cast<std::ptrdiff_t>(order.size()));
  EXPECT_EQ(read_file(page).find("This run is not finished"), std::string::npos);
  // An earlier run's page is not given up for one that may not end.
  const std::string before = read_file(page);
  request_.seed = 1;
  const auto kept = [&](const Answer&) { EXPECT_TRUE(read_file(page) == before); };
  EXPECT_STRATA_ERROR(analyze_into(
                          {.directory = directory_.path() / "run"}, model_, text_, request_, {.threads = 2},
                          [](const ProgressEvent& event) { return event.phase != "lanes"; }, kept),
                      ErrorKind::interrupted, "saved in");
  int answers = 0;
  (void)analyze_into({.directory = directory_.path() / "run", .resume = true}, model_, text_, request_,
                     {.threads = 2}, {}, [&](const Answer& answer) {
                       kept(answer);
                       ++answers;
                     });
  EXPECT_EQ(answers, 2);
  EXPECT_FALSE(read_file(page) == before);
}

}  // namespace
}  // namespace strata
