// Two checkpoints with the same function and another residual scale: absolute sensitivity is a matter of
// scale, relative sensitivity is not.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/record/run_directory.h"
#include "strata/sweep/measure.h"
#include "strata/theory/conclude.h"
#include "strata/theory/split.h"
#include "tests/support/paths.h"
#include "tests/support/scaled_checkpoint.h"

namespace strata {
namespace {

Trace measure_scaled(const std::string& model, double scale) {
  const auto from = test::repo_path("models/" + model);
  test::TemporaryDirectory directory;
  test::write_scaled_checkpoint(from, directory.path(), scale);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Tokenizer tokenizer = Tokenizer::from_directory(from);
  const Corpus corpus = make_corpus(read_documents(test::repo_path("texts/tales"), ""), "tales", tokenizer,
                                    {.context = 64, .chunks = 4});
  MeasureOptions options{.threads = 2, .lane_tokens = 4 * 64, .label_samples = 1, .replicates = 20};
  options.signals = {"residual_rms", "sensitivity", "sensitivity_absolute"};
  options.interventions = {"relative_noise", "attention_uniform"};
  options.layers = {0, 6};
  return measure({.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer}, options, {});
}

class Scale : public testing::TestWithParam<const char*> {};

TEST_P(Scale, APowerOfTwoChangesNothingButTheAbsoluteSensitivity) {
  const Trace one = measure_scaled(GetParam(), 1.0), large = measure_scaled(GetParam(), 32.0);
  for (std::size_t d = 0; d < one.documents.size(); ++d)
    EXPECT_EQ(one.documents[d].nll_nats, large.documents[d].nll_nats);
  // Every KL, change of NLL and agreement, so every logit that they saw.
  ASSERT_EQ(one.curves.size(), large.curves.size());
  for (std::size_t i = 0; i < one.curves.size(); ++i) {
    EXPECT_EQ(one.curves[i].kl_nats.data, large.curves[i].kl_nats.data) << i;
    EXPECT_EQ(one.curves[i].delta_nll_nats.data, large.curves[i].delta_nll_nats.data) << i;
  }
  const auto a = split_states(large), b = split_states(one);
  ASSERT_EQ(a.size(), 13u);
  for (std::size_t state = 0; state < a.size(); ++state) {
    EXPECT_EQ(b[state].absolute / a[state].absolute, 1024.0) << state;
    EXPECT_EQ(b[state].kappa, a[state].kappa) << state;
    EXPECT_EQ(a[state].rms_effective, 32.0 * b[state].rms_effective);
    const GapSplit gap = split_gap({a[state].kappa, a[state].absolute, a[state].rms_median},
                                   {b[state].kappa, b[state].absolute, b[state].rms_median});
    EXPECT_EQ(gap.function, 0.0);
    EXPECT_NEAR(gap.scale, std::log(1024.0), 1e-12);
    EXPECT_NEAR(gap.correlation, 0.0, 1e-6);  // the median is of values kept in float32
  }
}

// The paper's figure for the gap between families, made of scale alone.
TEST_P(Scale, TwentyTwoMakesTheFigureOfThePaper) {
  const auto a = split_states(measure_scaled(GetParam(), 22.2)),
             b = split_states(measure_scaled(GetParam(), 1.0));
  for (std::size_t state = 0; state < a.size(); ++state) {
    EXPECT_NEAR(b[state].absolute / a[state].absolute, 493.0, 4.93) << state;
    EXPECT_NEAR(b[state].kappa / a[state].kappa, 1.0, 0.01) << state;
  }
}

INSTANTIATE_TEST_SUITE_P(UntiedAndTied, Scale, testing::Values("llama-nano", "qwen2-nano"),
                         [](const auto& suite) { return std::string(suite.param).substr(0, 5); });

}  // namespace
}  // namespace strata
