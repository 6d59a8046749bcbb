// Ids of the trained models' tokenizers against an independent engine (tests/golden/<model>/ids.npy was
// made by llama.cpp from text.txt).
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/base/philox.h"
#include "strata/base/sha256.h"
#include "strata/tokenizer/tokenizer.h"
#include "strata/tokenizer/utf8.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

class Golden : public testing::TestWithParam<const char*> {
 protected:
  Tokenizer tokenizer_ = Tokenizer::from_directory(test::repo_path("models") / GetParam());
};

TEST_P(Golden, IdsOfTheReferencePassage) {
  const auto folder = test::repo_path("tests/golden") / GetParam();
  const std::string text = read_file(folder / "text.txt");
  const auto expected = std::get<std::vector<std::int32_t>>(read_npy(folder / "ids.npy").data);
  EXPECT_EQ(tokenizer_.encode(text, true), expected);
  EXPECT_EQ(tokenizer_.decode(tokenizer_.encode(text, false)), text);
}

TEST_P(Golden, VocabularyAndDigest) {
  EXPECT_EQ(tokenizer_.vocab_size(), 4096);
  EXPECT_EQ(tokenizer_.id_of("<|endoftext|>"), 4095);
  EXPECT_EQ(tokenizer_.id_of("\u0120the"), tokenizer_.encode(" the", false).at(0));
  EXPECT_EQ(tokenizer_.id_of("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer_.token_bytes(4095), "<|endoftext|>");
  const auto digest = [](const char* file) {
    return sha256_hex(read_file(test::repo_path("models") / GetParam() / file));
  };
  EXPECT_EQ(tokenizer_.sha256(), sha256_hex(digest("tokenizer.json") + digest("tokenizer_config.json")));
  const bool has_bos = std::string_view(GetParam()) == "llama-nano";
  EXPECT_EQ(tokenizer_.prefix(), has_bos ? std::vector<std::int32_t>{4095} : std::vector<std::int32_t>{});
  EXPECT_TRUE(tokenizer_.suffix().empty());
}

// Every code-point class that is its own NFC: bytes come back exactly.
TEST_P(Golden, RoundTripsRandomUnicode) {
  struct Range {
    char32_t first, last;
  };
  // controls, ASCII, Latin, Greek and Cyrillic, Hebrew and Arabic letters, Thai, Hangul syllables, kana,
  // CJK, general punctuation and spaces, symbols, private use, emoji, CJK extension B, last plane, unassigned
  const Range ranges[] = {{0x0, 0x1f},          {0x20, 0x7e},       {0x7f, 0x2ff},      {0x391, 0x3a1},
                          {0x430, 0x4ff},       {0x5d0, 0x5ea},     {0x621, 0x63a},     {0xe01, 0xe30},
                          {0xac00, 0xd7a3},     {0x3042, 0x3062},   {0x4e00, 0x9fff},   {0x2002, 0x206f},
                          {0x2190, 0x21ff},     {0xe000, 0xf8ff},   {0x1f300, 0x1f6ff}, {0x20000, 0x2a6dd},
                          {0x10fff0, 0x10ffff}, {0xe0080, 0xe00ff}, {0x9, 0xd},         {0x20, 0x20}};
  Philox rng({.seed = 11, .stream = Stream::test});
  for (int trial = 0; trial < 400; ++trial) {
    std::string text;
    const std::uint64_t length = 1 + rng.below(60);
    while (text.size() < length) {
      const Range& range = ranges[rng.below(std::size(ranges))];
      const std::uint64_t run = 1 + rng.below(4);
      for (std::uint64_t i = 0; i < run; ++i)
        append_utf8(text, static_cast<char32_t>(range.first + rng.below(range.last - range.first + 1)));
    }
    const auto ids = tokenizer_.encode(text, false);
    ASSERT_EQ(tokenizer_.decode(ids), text) << trial;
    for (const auto id : ids) ASSERT_LT(id, tokenizer_.vocab_size());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& model) {
                           std::string name = model.param;
                           name.erase(name.find('-'), 1);
                           return name;
                         });

TEST(FromDirectory, MissingFiles) {
  const test::TemporaryDirectory dir;
  EXPECT_STRATA_ERROR(Tokenizer::from_directory(dir.path()), ErrorKind::bad_file,
                      "tokenizer.json: missing, and so is tokenizer.model");
  EXPECT_STRATA_ERROR(Tokenizer::for_model(dir.path() / "m.gguf"), ErrorKind::usage, "m.gguf");
  EXPECT_STRATA_ERROR(Tokenizer::from_sentencepiece(dir.path() / "m"), ErrorKind::usage, "m");
}

}  // namespace
}  // namespace strata
