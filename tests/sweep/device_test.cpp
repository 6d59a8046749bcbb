// measure() on another device: close to the processor, and the same bytes whatever the threads.
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cmath>

#include "strata/record/run_directory.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

void expect_near(const Matrix& a, const Matrix& b, double relative, const std::string& what) {
  ASSERT_EQ(a.rows, b.rows) << what;
  ASSERT_EQ(a.cols, b.cols) << what;
  double scale = 0.0;
  for (std::size_t i = 0; i < a.rows * a.cols; ++i) {
    const double value = std::fabs(a(i / a.cols, i % a.cols));
    if (std::isfinite(value)) scale = std::max(scale, value);
  }
  for (std::size_t i = 0; i < a.rows * a.cols; ++i) {
    const double x = a(i / a.cols, i % a.cols), y = b(i / a.cols, i % a.cols);
    ASSERT_EQ(std::isnan(x), std::isnan(y)) << what << " " << i;
    if (std::isnan(x)) continue;
    ASSERT_NEAR(x, y, relative * scale) << what << " " << i;
  }
}

// Every signal and every intervention, edited attention and rounded weights among them: each number within
// rounding of ours (float32 adds up in another order).
void expect_close_to_the_processor(Device device) {
  const auto model = test::repo_path("models/llama-nano");
  const Checkpoint checkpoint = Checkpoint::open(model);
  const Tokenizer tokenizer = Tokenizer::from_directory(model);
  const Corpus corpus = make_corpus(read_documents(test::repo_path("texts/tales"), ""), "tales", tokenizer,
                                    {.context = 96, .chunks = 18});
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer};
  MeasureOptions options{.positions = 512, .lens_positions = 8, .lane_tokens = 64 * 4, .replicates = 20};
  options.interventions = {"all"};
  options.layers = {0, 7};
  const Trace ours = measure(input, options, {});
  options.compute.device = device;
  const Trace theirs = measure(input, options, {});
  options.threads = 3;
  EXPECT_EQ(results_json({.trace = theirs, .findings = {}}),
            results_json({.trace = measure(input, options, {}), .findings = {}}));
  ASSERT_EQ(ours.series.size(), theirs.series.size());
  for (std::size_t i = 0; i < ours.series.size(); ++i)
    expect_near(ours.series[i].by_doc, theirs.series[i].by_doc, 1e-3, ours.series[i].id);
  ASSERT_EQ(ours.curves.size(), theirs.curves.size());
  bool same = true;
  for (std::size_t i = 0; i < ours.curves.size(); ++i) {
    const Matrix &a = ours.curves[i].kl_nats, &b = theirs.curves[i].kl_nats;
    expect_near(a, b, 1e-3, ours.curves[i].intervention);
    for (std::size_t k = 0; k < a.rows * a.cols; ++k) {
      const double x = a(k / a.cols, k % a.cols), y = b(k / a.cols, k % a.cols);
      same = same && (x == y || std::isnan(x));
    }
  }
  EXPECT_FALSE(same) << "both were computed by the same code";
}

TEST(OtherDevice, LibTorchOnTheProcessorIsClose) {
  expect_close_to_the_processor(Device::torch_cpu);
}

TEST(OtherDevice, AGpuIsClose) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no CUDA device";
  expect_close_to_the_processor(Device::cuda);
}

}  // namespace
}  // namespace strata
