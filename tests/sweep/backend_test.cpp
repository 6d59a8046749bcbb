// measure() by a second backend, which a test wrote: the engine needs nothing of one beside its interface.
#include <gtest/gtest.h>

#include <optional>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/support/plain_backend.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/other_backend.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

class OtherBackend : public testing::TestWithParam<const char*> {
 protected:
  OtherBackend() {
    test::write_checkpoint(directory_.path(), {.family = GetParam(), .layers = 2});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    add_backend(test::plain_backend());
  }
  [[nodiscard]] MeasureInput input() const { return {.checkpoint = *checkpoint_, .corpus = corpus_}; }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_ = test::random_corpus({.documents = 6});
};

// Every signal and every intervention, edited attention and rounded weights among them.
TEST_P(OtherBackend, MeasuresWhatTheProcessorDoes) {
  MeasureOptions options{.positions = 128, .lens_positions = 8, .lane_tokens = 64 * 4, .replicates = 10};
  options.interventions = {"all"};
  test::expect_close_to_the_processor(input(), options, backend_named("plain"));
}

INSTANTIATE_TEST_SUITE_P(Families, OtherBackend, testing::Values("llama", "qwen2", "qwen3"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace strata
