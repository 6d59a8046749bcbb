// A model with a tokenizer.model through the whole program.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

// Protocol buffers by hand: field number and bytes, all shorter than 128.
std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
}

// <unk>, <s>, </s> and the 256 bytes: every text is its bytes.
std::string byte_model() {
  const auto piece = [](const std::string& text, char type) {
    const std::string score("\x15\0\0\0\0", 5);
    return field(1, field(1, text) + score + std::string{'\x18', type});
  };
  std::string model = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte)
    model += piece(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 6);
  // TrainerSpec: model_type BPE, byte_fallback; NormalizerSpec: no extra work on spaces but the first.
  return model + field(2, std::string("\x18\x02\x98\x02\x01", 5)) + field(3, std::string("\x20\x00", 2));
}

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
