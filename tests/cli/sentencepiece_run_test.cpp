// A model with a tokenizer.model through the whole program.
#include <gtest/gtest.h>

#include "tests/cli/byte_model.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

TEST(SentencePieceRun, AnalyzeReadsATokenizerModel) {
  TemporaryDirectory directory;
  const auto model = directory.path() / "model", run = directory.path() / "run";
  TinyCheckpoint tiny = tiny_with_tokenizer();
  write_checkpoint(model, tiny);
  write_text(model / "tokenizer.model", byte_model());
  const Result result = strata(quick_analyze(model, run));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(slurp(run / "results.json").find("each window begins with <s> (1)"), std::string::npos);
}

}  // namespace
}  // namespace strata::test
