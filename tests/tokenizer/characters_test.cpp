// SentencePiece-style BPE on vocabularies small enough to work out by hand, from GGUF and tokenizer.json.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"
#include "tests/tokenizer/tiny_gguf.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using Strings = std::vector<std::string>;
using test::load;
using test::pieces;
using test::spm_gguf;
using test::tiny_characters_json;

Tokenizer spm(const std::vector<test::Piece>& added) {
  return test::load(spm_gguf(added));
}

// Ids: 0..2 special, 3..258 bytes, then the pieces in order.
TEST(Scores, TheHighestGoesFirstThenTheLeftmost) {
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}}), "abc"),
            (Strings{" ", "a", "bc"}));
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1}, {"bc", -2}}), "abc"),
            (Strings{" ", "ab", "c"}));
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1}, {"bc", -1}}), "abc"),
            (Strings{" ", "ab", "c"}));
  // The later id with the same score does not win; the order of the list is no rank.
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"bc", -1}, {"ab", -1}}), "abc"),
            (Strings{" ", "ab", "c"}));
}

TEST(Scores, APieceIsReachedThroughPiecesAlone) {
  // "abc" has the best score but neither "ab" nor "bc" is a piece: three letters never become it.
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"abc", -1}}), "abc"),
            (Strings{" ", "a", "b", "c"}));
  EXPECT_EQ(pieces(spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}, {"abc", -1}, {"ab", -5}}), "abc"),
            (Strings{" ", "abc"}));
}

// "q" is in a piece and no piece: it merges into "qa", and is its byte where it does not.
TEST(Scores, CharactersWithoutAPieceMergeOrFallBack) {
  const Tokenizer tokenizer = spm({{"a", -9}, {"qa", -1}});
  EXPECT_EQ(tokenizer.encode("qa", false), (Ids{3 + 0xe2, 3 + 0x96, 3 + 0x81, 260}));
  EXPECT_EQ(tokenizer.encode("aq", false), (Ids{3 + 0xe2, 3 + 0x96, 3 + 0x81, 259, 3 + 'q'}));
}

TEST(Fallback, UnknownCharactersAreTheirBytes) {
  const Tokenizer tokenizer = spm({{"\u2581", -9}});
  EXPECT_EQ(tokenizer.encode("\u00e9\n", false), (Ids{259, 3 + 0xc3, 3 + 0xa9, 3 + '\n'}));
  EXPECT_EQ(tokenizer.decode({259, 3 + 0xc3, 3 + 0xa9}), " \u00e9");
  EXPECT_EQ(tokenizer.token_bytes(3 + 0xc3), "\xc3");
}

TEST(Spaces, OneBeforeEveryStretch) {
  const std::vector<test::Piece> list = {{"\u2581", -9}, {"a", -9}, {"\u2581a", -1}, {"\u2581\u2581", -2}};
  const Tokenizer tokenizer = spm(list);
  EXPECT_EQ(tokenizer.encode("a", true), (Ids{1, 261}));
  EXPECT_EQ(tokenizer.encode(" a", false), (Ids{259, 261}));
  EXPECT_EQ(tokenizer.encode("a a", false), (Ids{261, 261}));
  EXPECT_EQ(tokenizer.encode("a   a", false), (Ids{261, 262, 261}));
  EXPECT_EQ(tokenizer.encode("a</s>a<s>", false), (Ids{261, 2, 261, 1}));
  EXPECT_EQ(tokenizer.encode("", true), (Ids{1}));
  auto file = spm_gguf(list);
  file.set("tokenizer.ggml.add_space_prefix", test::gguf_flag(false));
  EXPECT_EQ(load(file).encode("a a</s>a", false), (Ids{260, 261, 2, 260}));
}

// A piece with a mark in the middle forbids cutting the text at spaces.
TEST(Spaces, PiecesAcrossSpaces) {
  const Tokenizer tokenizer =
      spm({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"a\u2581", -2}, {"a\u2581b", -1}, {"\u2581a", -8}});
  EXPECT_EQ(pieces(tokenizer, "a b"), (Strings{" ", "a b"}));
  EXPECT_EQ(pieces(tokenizer, "ba a"), (Strings{" ", "b", "a ", "a"}));
}

TEST(Spm, PolicyOfTheFile) {
  auto file = spm_gguf({{"\u2581", -9}});
  EXPECT_EQ(load(file).prefix(), Ids{1});
  EXPECT_TRUE(load(file).suffix().empty());
  file.set("tokenizer.ggml.add_bos_token", test::gguf_flag(false));
  file.set("tokenizer.ggml.add_eos_token", test::gguf_flag(true));
  EXPECT_TRUE(load(file).prefix().empty());
  EXPECT_EQ(load(file).suffix(), Ids{2});
  file.set("tokenizer.ggml.eos_token_id", test::gguf_u32(259));
  EXPECT_EQ(load(file).suffix(), Ids{259});
  // "None" overrules what would be added by default, and nothing else.
  file.set("tokenizer.ggml.bos_token_id", test::gguf_u32(0xffffffff));
  file.erase("tokenizer.ggml.add_bos_token");
  EXPECT_TRUE(load(file).prefix().empty());
}

TEST(Json, ByRankWithByteFallback) {
  auto json = tiny_characters_json({"\u2581", "a", "b"}, {"a b", "\u2581 a", "\u2581 ab"});
  EXPECT_EQ(load(json).encode("ab a\u00e9", true), (Ids{1, 264, 263, 3 + 0xc3, 3 + 0xa9}));
  EXPECT_EQ(load(json).encode("a</s>b", false), (Ids{263, 2, 259, 261}));
  EXPECT_EQ(load(json).decode({264, 2, 263}), " ab</s> a");
}

TEST(Json, MetaspaceHasItsOwnRuleForTheFirstSpace) {
  auto json = tiny_characters_json({"\u2581", "a"}, {"\u2581 a"});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", false}};
  EXPECT_EQ(load(json).encode("a</s>a", false), (Ids{261, 2, 260}));
  EXPECT_EQ(load(json).encode(" a", false), (Ids{261}));  // no second space, unlike Prepend
  EXPECT_EQ(load(json).encode("</s>a", false), (Ids{2, 260}));
  json["pre_tokenizer"]["prepend_scheme"] = "always";
  EXPECT_EQ(load(json).encode("a</s>a</s> a", false), (Ids{261, 2, 261, 2, 261}));
}

TEST(Json, ReplaceAloneAndNormalizedTokens) {
  auto json = tiny_characters_json({"\u2581", "a"}, {"\u2581 a"});
  json["added_tokens"][2]["normalized"] = true;
  // tokenizers normalises the token too: it is looked for as U+2581</s>, with the space before it.
  EXPECT_EQ(load(json).encode("</s>", false), (Ids{2}));
  EXPECT_EQ(load(json).encode("a </s>", false), (Ids{261, 2}));
  json["normalizer"] = json["normalizer"]["normalizers"][1];
  EXPECT_EQ(load(json).encode("a a</s>", false), (Ids{260, 261, 2}));
}

TEST(Json, ForeignComponentsAreRefusedByName) {
  const auto refused = [](const char* pointer, const nlohmann::json& value, const char* message) {
    auto json = tiny_characters_json({"\u2581"});
    json[nlohmann::json::json_pointer(pointer)] = value;
    EXPECT_STRATA_ERROR(load(json), ErrorKind::unsupported, message);
  };
  refused("/normalizer/normalizers/0/type", "NFKC", "normalizers[0].type: normalizer \"NFKC\"");
  refused("/normalizer/normalizers/0/prepend", "_", "prepend: prepend \"_\"");
  refused("/normalizer/normalizers/1/pattern", {{"String", "x"}}, "pattern.String");
  refused("/normalizer/normalizers/1/content", "_", "content");
  refused("/normalizer/normalizers/0",
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}},
          "a second step Replace");
  refused("/normalizer", nullptr, "byte_fallback without");
  refused("/pre_tokenizer", {{"type", "Metaspace"}}, "behind \"Prepend\"");
  refused("/model/ignore_merges", true, "ignore_merges with byte_fallback");
  refused("/decoder/decoders/0/content", "x", "content");
  refused("/decoder/decoders/1/type", "WordPiece", "decoder \"WordPiece\"");
  auto json = tiny_characters_json({"\u2581"});
  json["normalizer"] = nullptr;
  const nlohmann::json metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"split", false}};
  const auto metaspace_refused = [&](const char* key, const nlohmann::json& value, const char* message) {
    json["pre_tokenizer"] = metaspace;
    json["pre_tokenizer"][key] = value;
    EXPECT_STRATA_ERROR(load(json), ErrorKind::unsupported, message);
  };
  metaspace_refused("type", "Whitespace", "pre_tokenizer \"Whitespace\"");
  metaspace_refused("replacement", "_", "replacement");
  metaspace_refused("split", true, "Metaspace with split");
  metaspace_refused("prepend_scheme", "never", "prepend_scheme \"never\"");
  json = tiny_characters_json({"\u2581"});
  json["model"]["vocab"].erase("<0x41>");
  EXPECT_STRATA_ERROR(load(json), ErrorKind::unsupported, "without the byte \"<0x41>\"");
}

}  // namespace
}  // namespace strata
