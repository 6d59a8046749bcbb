// Each step of the pipeline on tokenizers small enough to work out by hand.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Strings = std::vector<std::string>;
using Ids = std::vector<std::int32_t>;
using test::load;
using test::pieces;
using test::tiny_json;

TEST(Merges, RankDecidesNotPositionOrLength) {
  EXPECT_EQ(pieces(load(tiny_json({"b c", "a b"})), "abc"), (Strings{"a", "bc"}));
  EXPECT_EQ(pieces(load(tiny_json({"a b", "b c"})), "abc"), (Strings{"ab", "c"}));
  EXPECT_EQ(pieces(load(tiny_json({"a a"})), "aaa"), (Strings{"aa", "a"}));
  EXPECT_EQ(pieces(load(tiny_json({"a b", "ab c", "ab ab"})), "ababc"), (Strings{"ab", "abc"}));
}

TEST(Merges, BothSpellingsGiveTheSame) {
  auto json = tiny_json({"a b", "ab c"});
  const auto expected = pieces(load(json), "abcab");
  json["model"]["merges"] = nlohmann::json::parse(R"([["a", "b"], ["ab", "c"]])");
  EXPECT_EQ(pieces(load(json), "abcab"), expected);
  EXPECT_EQ(expected, (Strings{"abc", "ab"}));
}

TEST(Merges, IgnoreMergesTakesWholeWordsOnly) {
  auto json = tiny_json({"a b"});
  json["model"]["vocab"]["abc"] = 257;
  EXPECT_EQ(pieces(load(json), "abc"), (Strings{"ab", "c"}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(pieces(load(json), "abc"), (Strings{"abc"}));
  EXPECT_EQ(pieces(load(json), "abcd"), (Strings{"ab", "c", "d"}));
}

TEST(AddedTokens, LeftmostThenLongestAndInsideText) {
  auto json = tiny_json({"x y"});
  json["added_tokens"] = {test::added_token(257, "<a>"), test::added_token(258, "<a><b>"),
                          test::added_token(259, "b><c", "normalized"),
                          test::added_token(260, "xyz", "lstrip")};
  json["added_tokens"][3]["lstrip"] = false;
  const Tokenizer tokenizer = load(json);
  EXPECT_EQ(tokenizer.encode("xy<a>xy", false), (Ids{256, 257, 256}));
  EXPECT_EQ(tokenizer.encode("<a><b><a>", false), (Ids{258, 257}));
  EXPECT_EQ(tokenizer.encode("xyzxy", false), (Ids{260, 256}));
  EXPECT_EQ(tokenizer.encode("<a", false), (Ids{'<', 'a'}));
  // Tokens of the original text come first, even where a normalised one starts further left.
  EXPECT_EQ(tokenizer.encode("b><c", false), (Ids{259}));
  EXPECT_EQ(tokenizer.encode("b><a>", false), (Ids{'b', '>', 257}));
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_EQ(tokenizer.id_of("<a><b>"), 258);
}

TEST(AddedTokens, TheVocabularysOwnIdIsKept) {
  auto json = tiny_json({"a b"});
  json["added_tokens"] = {test::added_token(256, "ab"), test::added_token(257, "<s>")};
  EXPECT_EQ(load(json).encode("cab<s>", false), (Ids{'c', 256, 257}));
}

TEST(AddedTokens, NormalizedOnesAreFoundInTheNormalizedText) {
  auto json = tiny_json();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {test::added_token(256, "e\u0301!", "normalized"),
                          test::added_token(257, "e\u0301?")};
  const Tokenizer tokenizer = load(json);
  EXPECT_EQ(tokenizer.encode("\u00e9!", false), (Ids{256}));
  EXPECT_EQ(tokenizer.encode("e\u0301!", false), (Ids{256}));
  EXPECT_EQ(tokenizer.encode("\u00e9?", false), (Ids{0xc3, 0xa9, '?'}));
  EXPECT_EQ(tokenizer.encode("e\u0301?", false), (Ids{257}));
}

TEST(Normalizer, NfcOrNothing) {
  auto json = tiny_json();
  EXPECT_EQ(load(json).encode("e\u0301", false), (Ids{'e', 0xcc, 0x81}));
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
  EXPECT_EQ(load(json).encode("e\u0301", false), (Ids{0xc3, 0xa9}));
  EXPECT_EQ(load(json).encode("\u1112\u1161\u11ab", false), (Ids{0xed, 0x95, 0x9c}));  // Hangul
  EXPECT_EQ(load(json).encode("\u212b", false), (Ids{0xc3, 0x85}));                    // Angstrom sign
  EXPECT_EQ(load(json).encode("a\u0323\u0307", false),
            load(json).encode("a\u0307\u0323", false));  // reordering
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", nlohmann::json::array()}};
  EXPECT_EQ(load(json).encode("e\u0301", false), (Ids{'e', 0xcc, 0x81}));
}

TEST(ByteLevel, PrefixSpaceForEveryPieceThatHasNone) {
  auto json = tiny_json({"\u0120 a"});
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(pieces(load(json), "ab"), (Strings{" a", "b"}));
  EXPECT_EQ(pieces(load(json), " ab"), (Strings{" a", "b"}));
  EXPECT_EQ(pieces(load(json), "\nab"), (Strings{" ", "\n", "a", "b"}));
  EXPECT_EQ(pieces(load(json), ""), (Strings{}));
  json["added_tokens"] = {test::added_token(257, "<s>")};
  EXPECT_EQ(pieces(load(json), "a<s>a"), (Strings{" a", "<s>", " a"}));
}

TEST(ByteLevel, UseRegexIsGpt2sPatternAndTheDefault) {
  auto json = tiny_json({"a \u0120", "\u0120 b", "b '", "' s"});
  EXPECT_EQ(pieces(load(json), "a b's"), (Strings{"a ", "b'", "s"}));
  json["pre_tokenizer"]["use_regex"] = true;
  EXPECT_EQ(pieces(load(json), "a b's"), (Strings{"a", " b", "'s"}));
  json["pre_tokenizer"].erase("use_regex");
  EXPECT_EQ(pieces(load(json), "a b's"), (Strings{"a", " b", "'s"}));
}

TEST(Split, LaterPatternsSeeOnlyThePieces) {
  auto json = tiny_json({"a b", "ab a", "aba b"});
  json["pre_tokenizer"] = test::split_by("ab");
  EXPECT_EQ(pieces(load(json), "abab"), (Strings{"ab", "ab"}));
  auto& steps = json["pre_tokenizer"]["pretokenizers"];
  steps.insert(steps.begin() + 1, steps[0]);
  steps[1]["pattern"]["Regex"] = "(?<=a)b";  // behind the first split, b has its a still before it
  EXPECT_EQ(pieces(load(json), "abab"), (Strings{"a", "b", "a", "b"}));
  steps[0]["pattern"]["Regex"] = "b";  // now it has not
  EXPECT_EQ(pieces(load(json), "bab"), (Strings{"b", "a", "b"}));
}

// Digits are the characters of the general category N, and what ByteLevel cuts lies between them.
TEST(Digits, OneByOneOrInRuns) {
  auto json = tiny_json({"1 2", "\u0120 1", "\u0120 a", "a 1"});
  auto byte_level = json["pre_tokenizer"];
  byte_level["use_regex"] = true;
  nlohmann::json digits = {{"type", "Digits"}, {"individual_digits", true}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, byte_level}}};
  EXPECT_EQ(pieces(load(json), "a12 1 a1"), (Strings{"a", "1", "2", " ", "1", " a", "1"}));
  EXPECT_EQ(pieces(load(json), "\u00b2\u2167"), pieces(load(tiny_json()), "\u00b2\u2167"));
  json["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = false;
  EXPECT_EQ(pieces(load(json), "a12 1 a1"), (Strings{"a", "12", " ", "1", " a", "1"}));
  // A Roman numeral (Nl) and a superscript (No) are digits, a letter beside them is none.
  json = tiny_json({"\u00c2 \u00b2", "\u00c2\u00b2 a"});
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, byte_level}}};
  EXPECT_EQ(pieces(load(json), "\u00b2a"), (Strings{"\u00b2", "a"}));
}

nlohmann::json template_of(const nlohmann::json& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", nlohmann::json::array()},
          {"special_tokens",
           {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}},
            {"</s>", {{"id", "</s>"}, {"ids", {257, 256}}, {"tokens", {"</s>", "<s>"}}}}}}};
}

TEST(PostProcessor, TemplatePutsPrefixAndSuffix) {
  const nlohmann::json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const nlohmann::json bos = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const nlohmann::json eos = {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}};
  auto json = tiny_json();
  json["added_tokens"] = {test::added_token(256, "<s>"), test::added_token(257, "</s>")};
  json["post_processor"] = template_of({bos, text, eos});
  EXPECT_EQ(load(json).encode("a", true), (Ids{256, 'a', 257, 256}));
  EXPECT_EQ(load(json).encode("", true), (Ids{256, 257, 256}));
  EXPECT_EQ(load(json).encode("a", false), (Ids{'a'}));
  EXPECT_EQ(load(json).prefix(), (Ids{256}));
  EXPECT_EQ(load(json).suffix(), (Ids{257, 256}));
  EXPECT_EQ(load(json).decode({256, 'a'}), "<s>a");
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors", {{{"type", "ByteLevel"}, {"trim_offsets", true}}, template_of({bos, text})}}};
  EXPECT_EQ(load(json).encode("a", true), (Ids{256, 'a'}));
  EXPECT_TRUE(load(json).suffix().empty());
}

TEST(Encode, InvalidUtf8NamesTheByte) {
  const Tokenizer tokenizer = load(tiny_json());
  EXPECT_STRATA_ERROR(tokenizer.encode("ab\xff", false), ErrorKind::bad_file, "invalid UTF-8 at byte 2");
  EXPECT_STRATA_ERROR(tokenizer.encode("\xed\xa0\x80", false), ErrorKind::bad_file, "byte 0");
  EXPECT_EQ(tokenizer.encode(std::string_view("\0", 1), false), (Ids{0}));
}

TEST(Decode, IdsOutsideTheVocabulary) {
  auto json = tiny_json();
  json["model"]["vocab"]["zz"] = 300;
  const Tokenizer tokenizer = load(json);
  EXPECT_EQ(tokenizer.vocab_size(), 301);
  EXPECT_EQ(tokenizer.token_bytes(300), "zz");
  for (const std::int32_t id : {-1, 299, 301, 2147483647})
    EXPECT_STRATA_ERROR(tokenizer.decode({'a', id}), ErrorKind::bad_file, std::to_string(id));
}

TEST(Encode, LongRunsAreNotASpecialCase) {
  auto json = tiny_json({"\u0120 \u0120"});
  json["pre_tokenizer"] = test::split_by("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  const Tokenizer tokenizer = load(json);
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(tokenizer.encode(spaces, false).size(), 500'000u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(spaces + "x", false)), spaces + "x");
}

TEST(Encode, ThreadsShareOneTokenizer) {
  const Tokenizer tokenizer = Tokenizer::from_directory(test::repo_path("models/qwen2-nano"));
  const std::string text = "It wasn't the 25th\u2019s caf\u00e9, was it?  \n\n yes";
  const auto expected = tokenizer.encode(text, true);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) wrong[t] += tokenizer.encode(text, true) != expected;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace strata
