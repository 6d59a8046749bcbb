// measure() by LibTorch's operations on a trained model, on the processor and, where there is one, on a GPU.
#include <gtest/gtest.h>

#include "strata/backends/torch/torch_backend.h"
#include "tests/support/paths.h"
#include "tests/sweep/other_backend.h"

namespace strata {
namespace {

// Every signal and every intervention, edited attention and rounded weights among them.
void expect_close_to_the_processor(const Backend& backend) {
  const auto model = test::repo_path("models/llama-nano");
  const Checkpoint checkpoint = Checkpoint::open(model);
  const Tokenizer tokenizer = Tokenizer::from_directory(model);
  const Corpus corpus = make_corpus(read_documents(test::repo_path("texts/tales"), ""), "tales", tokenizer,
                                    {.context = 96, .chunks = 18});
  MeasureOptions options{.positions = 512, .lens_positions = 8, .lane_tokens = 64 * 4, .replicates = 20};
  options.interventions = {"all"};
  options.layers = {0, 7};
  test::expect_close_to_the_processor({.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer},
                                      options, backend);
}

TEST(OtherDevice, LibTorchOnTheProcessorIsClose) {
  expect_close_to_the_processor(torch_cpu_backend());
}

TEST(OtherDevice, AGpuIsClose) {
  const std::string why = cuda_backend().why_not(ComputeDType::float32);
  if (!why.empty()) GTEST_SKIP() << why;
  require_compute({ComputeDType::float32, cuda_backend()});
  expect_close_to_the_processor(cuda_backend());
}

}  // namespace
}  // namespace strata
