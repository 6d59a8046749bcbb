#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "strata/record/run_directory.h"
#include "tests/support/synthetic_run.h"

namespace strata {
namespace {

TEST(Csv, BlocksOfTheTinyRun) {
  EXPECT_EQ(blocks_csv(test::tiny_run()),
            "block,segment,relative_depth,angular_step,angular_step_se,angular_step_all\n"
            "0,\"Local, or not\",0,0.6875,0.09375,1\n"
            "1,\"Local, or not\",0.3333333333333333,0.25,0,2\n"
            "2,,0.6666666666666666,,,3\n");
}

TEST(Csv, StatesOfTheTinyRun) {
  strata::Run run = test::tiny_run();
  run.findings.splits = {{.state = 1, .rms_effective = 4.0, .correlation = 0.25}};
  EXPECT_EQ(
      states_csv(run),
      "state,relative_depth,residual_rms,residual_rms_se,kappa,kappa_se,kappa_fisher,kappa_fisher_se,"
      "kappa_difference_z,critical_strength,critical_strength_se,kappa_nll,kappa_nll_se,absolute_fisher,"
      "absolute_fisher_se,absolute,absolute_se,absolute_nll,absolute_nll_se,rms_effective,"
      "rms_gradient_correlation\n"
      "0,0,1e-07,0,,,,,,,,,,,,,,,,,\n"
      "1,0.3333333333333333,1e-07,0,2.5,0.125,2.25,0.5,-1.5,,,,,,,,,,,4,0.25\n"
      "2,0.6666666666666666,1e-07,0,,,,,,,,,,,,,,,,,\n"
      "3,1,1e-07,0,,,,,,,,,,,,,,,,,\n");
}

TEST(Csv, EdgesOfTheTinyRun) {
  EXPECT_EQ(edges_csv(test::tiny_run()),
            "edge,relative_depth,kernel_cka_share,kernel_cka_selected,kernel_cka_forced_share,"
            "kernel_cka_forced_selected,kernel_cka_all_share,kernel_cka_all_selected,"
            "kernel_cka_all_forced_share,kernel_cka_all_forced_selected\n"
            "1,0.3333333333333333,0.25,0,0,0,,,,\n"
            "2,0.6666666666666666,0.75,1,0,0,,,,\n");
}

TEST(Csv, BrittlenessOfTheTinyRun) {
  const std::string header =
      "intervention,site,axis,place,span,strength,strength_unit,kl_nats,kl_nats_se,delta_nll_nats,"
      "delta_nll_nats_se,head,top1_agreement,top1_agreement_se,kl_nats_per_byte,kl_nats_per_byte_se,"
      "delta_nll_nats_per_byte,delta_nll_nats_per_byte_se\n";
  strata::Run run = test::tiny_run();
  EXPECT_EQ(brittleness_csv(run), header +
                                      "relative_noise,state,state,1,1,0.1,token rms,0.5,0,,,,,,,,,\n"
                                      "relative_noise,state,state,1,1,1,token rms,7,1.5,,,,,,,,,\n");
  // Lanes of 4 and 12 tokens: 4 in 12 and 8 in 36 bytes scored, KL 0.5 per token everywhere, 1.5 + 5.5 nats
  // over 48 bytes. Without the bytes of a document it is left out.
  const std::int64_t tokens[] = {4, 12}, bytes[] = {12, 36};
  for (std::size_t d = 0; d < 2; ++d) {
    run.trace.documents[d].lane_tokens = tokens[d];
    run.trace.documents[d].lane_bytes = bytes[d];
  }
  DoseCurve& curve = run.trace.curves[0];
  curve.head = 3;
  curve.strength = {1};
  curve.kl_nats = Matrix(2, 1, 0.5);
  curve.delta_nll_nats = Matrix(2, 1, 0.5);
  curve.top1_agreement = Matrix(2, 1, 0.75);
  const std::string text = brittleness_csv(run);
  EXPECT_EQ(text.substr(0, text.find("0.1458") + 6),
            header + "relative_noise,state,state,1,1,1,token rms,0.5,0,0.5,0,3,0.75,0,0.1458");
  run.trace.documents[1].lane_bytes = 0;
  EXPECT_NE(brittleness_csv(run).find(",3,0.75,0,0.125,,0.125,\n"), std::string::npos);
}

TEST(Csv, RateDistortion) {
  strata::Run run = test::tiny_run();
  const RatePoint point{0.1, 12.5, 0, 0.5, 0.25, 3, 0.125, NAN};
  run.findings.rate_distortion = {{2, {.points = {point}, .matched = {}, .note = ""}}};
  EXPECT_EQ(
      rate_distortion_csv(run),
      "state,strength,rate_nats,rate_nats_se,distortion_nats,distortion_nats_se,effective_dimension,beta,"
      "ln_beta_se\n"
      "2,0.1,12.5,0,0.5,0.25,3,0.125,\n");
}

TEST(Csv, QuotesInNamesAreDoubled) {
  strata::Run run = test::tiny_run();
  run.findings.segments[0].name = "a \"b\"\nc";
  EXPECT_NE(blocks_csv(run).find("0,\"a \"\"b\"\"\nc\",0,"), std::string::npos);
}

TEST(Csv, EveryRowHasTheHeadersWidth) {
  for (const strata::Run& run : {test::synthetic_run(12), test::undefined_run(80)}) {
    for (const std::string& table :
         {states_csv(run), blocks_csv(run), edges_csv(run), brittleness_csv(run), rate_distortion_csv(run)}) {
      const auto commas = [](std::string_view line) { return std::count(line.begin(), line.end(), ','); };
      const std::string_view text = table;
      for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const auto line = text.substr(at, text.find('\n', at) - at);
        ASSERT_EQ(commas(line), commas(text.substr(0, text.find('\n')))) << line;
      }
      EXPECT_EQ(table.find(",nan"), std::string::npos);
      EXPECT_EQ(table.find(",inf"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace strata
