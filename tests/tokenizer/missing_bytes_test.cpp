// Vocabularies that lack bytes (SmolLM2's lacks 21): an error only for a text that needs one, naming it.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny_gguf.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using test::spelled;
using test::tiny_json;

constexpr auto kForeignFile = ErrorKind::unsupported;

// Hugging Face's file without this byte; a token that no text has takes its id.
nlohmann::json without(const std::string& byte, const std::vector<std::string>& merges = {}) {
  auto json = tiny_json(merges);
  auto& vocab = json["model"]["vocab"];
  const int id = vocab[spelled(byte)];
  vocab.erase(spelled(byte));
  vocab["<nothing>"] = id;
  return json;
}

TEST(MissingBytes, OnlyATextThatNeedsThemIsRefused) {
  const Tokenizer json = test::load(without("q", {"a b"}));
  auto file = test::bpe_gguf("qwen2", {"a b"});
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b)
    tokens.push_back(b == 'q' ? "" : spelled(std::string(1, static_cast<char>(b))));
  for (const char* more : {"ab", "<|end|>"}) tokens.emplace_back(more);
  file.set("tokenizer.ggml.tokens", test::gguf_strings(tokens));
  const Tokenizer gguf = test::load(file);
  for (const Tokenizer* tokenizer : {&json, &gguf}) {
    EXPECT_EQ(tokenizer->encode("abc", false), (Ids{256, 'c'}));
    EXPECT_STRATA_ERROR(tokenizer->encode("abc dq", false, "a.txt"), kForeignFile,
                        "a.txt: byte 0x71 at byte 5 (of U+0071), for which the vocabulary has no token");
    // A cache of words forgets nothing and remembers no failure.
    EXPECT_STRATA_ERROR(tokenizer->encode("abc dq", false, "b.txt"), kForeignFile,
                        "b.txt: byte 0x71 at byte 5");
    EXPECT_EQ(tokenizer->encode("abc", false), (Ids{256, 'c'}));
  }
  EXPECT_STRATA_ERROR(gguf.encode("q", false), kForeignFile, "the tokenizer of t.gguf");
}

TEST(MissingBytes, APartOfACharacterIsNamedWithTheCharacter) {
  const Tokenizer lead = test::load(without("\xf1"));
  EXPECT_STRATA_ERROR(lead.encode("ab\U00040001", false), kForeignFile, "byte 0xf1 at byte 2 (of U+40001)");
  EXPECT_NO_THROW((void)lead.encode("ab\U00010001", false));
  const Tokenizer last = test::load(without("\xa9"));
  EXPECT_STRATA_ERROR(last.encode("x\u00e9", false), kForeignFile, "byte 0xa9 at byte 2 (of U+00E9)");
}

TEST(MissingBytes, AddedTokensAndWholeWordsNeedNone) {
  auto json = without("q", {"a b"});
  json["added_tokens"] = {test::added_token(257, "<q>")};
  EXPECT_EQ(test::load(json).encode("ab<q>ab", false), (Ids{256, 257, 256}));
  EXPECT_STRATA_ERROR(test::load(json).encode("<q>aq", false), kForeignFile, "byte 0x71 at byte 4");
  json = without("q");
  json["model"]["ignore_merges"] = true;
  json["model"]["vocab"]["aq"] = 256;
  EXPECT_EQ(test::load(json).encode("aq", false), Ids{256});
  EXPECT_STRATA_ERROR(test::load(json).encode("aqa", false), kForeignFile, "byte 0x71 at byte 1");
}

TEST(MissingBytes, PlacesAreThoseOfTheTextNotOfACopy) {
  auto json = without("q");
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_STRATA_ERROR(test::load(json).encode("abq", false), kForeignFile, "byte 0x71 at byte 2");
  json = without(" ");
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_STRATA_ERROR(test::load(json).encode("ab", false), kForeignFile, "byte 0x20");
  // Composition moves bytes: the stretch is named.
  json = without("\xa9");
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {test::added_token(256, "<s>")};
  EXPECT_STRATA_ERROR(test::load(json).encode("ab<s>e\u0301", false), kForeignFile,
                      "byte 0xa9 after byte 5, for which");
  EXPECT_STRATA_ERROR(test::load(without("\xa9")).encode("\u00e9", false), kForeignFile,
                      "byte 0xa9 at byte 1");
}

TEST(MissingBytes, WithoutAnyByteEveryTextIsRefused) {
  auto json = tiny_json();
  json["model"]["vocab"] = {{"nothing", 0}};
  EXPECT_EQ(test::load(json).encode("", false), Ids{});
  EXPECT_STRATA_ERROR(test::load(json).encode("a", false), kForeignFile, "byte 0x61 at byte 0");
}

}  // namespace
}  // namespace strata
