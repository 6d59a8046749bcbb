// Files that are made to take time or memory out of proportion to their size, and what reviews and fuzzing
// (docs/robustness.md) found.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "strata/base/error.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "strata/tokenizer/split_pattern.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using Clock = std::chrono::steady_clock;

TEST(Hostile, NoMorePatternsThanCanRunInsideEachOther) {
  Json json = test::tiny_json({"a b", "ab c"});
  json["pre_tokenizer"] = test::split_by(R"(\p{L}+|\s+)");
  Json& steps = json["pre_tokenizer"]["pretokenizers"];
  const Json split = steps[0];
  for (int i = 0; i < 15; ++i) steps.insert(steps.begin(), split);
  EXPECT_EQ(test::load(json).encode("abc", false), Ids{257});
  steps.insert(steps.begin(), split);
  EXPECT_STRATA_ERROR(test::load(json), ErrorKind::unsupported, "one more pattern");
}

// A template of `pieces` times <s>, which stands for `ids` ids.
Json with_template(int pieces, std::size_t ids, const std::string& name = "<s>") {
  Json json = test::tiny_json();
  json["added_tokens"] = {test::added_token(256, "<s>")};
  Json single = Json::array();
  for (int i = 0; i < pieces; ++i) single.push_back({{"SpecialToken", {{"id", name}}}});
  single.push_back({{"Sequence", {{"id", "A"}}}});
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", single},
      {"special_tokens",
       {{name, {{"ids", std::vector<int>(ids, 256)}, {"tokens", std::vector<std::string>(ids, "<s>")}}}}}};
  return json;
}

// k pieces that each stand for m tokens would be k m ids from k + m words.
TEST(Hostile, NoTemplateThatMultiplies) {
  EXPECT_EQ(test::load(with_template(2, 32)).prefix().size(), 64u);
  EXPECT_STRATA_ERROR(test::load(with_template(3, 32)), ErrorKind::unsupported,
                      "a template of so many tokens");
}

// The place of every element begins with the names above it: a long name must not be repeated in each.
TEST(Hostile, ALongNameAboveManyElements) {
  Json json = with_template(1, 60, std::string(1'000'000, 'n'));
  auto& tokens = json["post_processor"]["special_tokens"].begin().value()["tokens"];
  tokens[59] = "q\n";
  try {
    (void)test::load(json);
    ADD_FAILURE();
  } catch (const Error& error) {
    const std::string_view line = error.what();
    EXPECT_LT(line.size(), 400u);
    EXPECT_NE(line.find("tokens[59]: unknown token"), std::string_view::npos) << line;
  }
}

// What a quadratic search would take several times over; sanitizers and a busy machine are slow themselves.
#ifdef STRATA_SANITIZE
constexpr auto kFarTooLong = std::chrono::seconds(200);
#else
constexpr auto kFarTooLong = std::chrono::seconds(20);
#endif

// 100,000 tokens that all begin alike, longest last: one after the other, loading them and looking for
// them would take 10^10 steps each.
TEST(Hostile, ManyAddedTokensThatBeginAlike) {
  Json json = test::tiny_json();
  for (int i = 0; i < 100'000; ++i)
    json["added_tokens"].push_back(test::added_token(256 + i, "<" + std::to_string(i) + ">"));
  const auto start = Clock::now();
  const Tokenizer tokenizer = test::load(json);
  std::string text = "<7>";
  for (int i = 0; i < 100'000; ++i) text += "<x";
  const Ids ids = tokenizer.encode(text + "<99999>", false);
  EXPECT_LT(Clock::now() - start, kFarTooLong);
  ASSERT_EQ(ids.size(), 200'002u);
  EXPECT_EQ(ids.front(), 256 + 7);
  EXPECT_EQ(ids.back(), 256 + 99'999);
}

// Each asks for all ways to cut a run of letters in two, none of which ends in a digit.
TEST(Hostile, ExponentialPatternsGiveUp) {
  const std::string letters(60, 'x');
  const auto start = Clock::now();
  for (const char* pattern : {R"((?:\p{L}+)+\d)", R"((?:\p{L}|\p{L}\p{L})+\d)", R"((?:\p{L}*?)*\d)"}) {
    const SplitPattern split(pattern, "t.json: key");
    EXPECT_STRATA_ERROR(split.split(letters, [](std::string_view) {}), ErrorKind::unsupported, "gave up");
  }
  EXPECT_LT(Clock::now() - start, kFarTooLong);
}

// What every published pattern does with spaces takes a step for each.
TEST(Hostile, AMillionSpacesAreFine) {
  std::size_t words = 0;
  const SplitPattern split(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", "t.json: key");
  split.split(std::string(1'000'000, ' ') + "x", [&](std::string_view) { ++words; });
  EXPECT_EQ(words, 3u);
}

// A step back to keep for every letter: more than JIT's stack holds.
TEST(Hostile, AMatchLongerThanTheStackOfJit) {
  std::vector<std::size_t> sizes;
  const SplitPattern split("(?:a|b)+", "t.json: key");
  split.split(std::string(100'000, 'a') + "x", [&](std::string_view word) { sizes.push_back(word.size()); });
  EXPECT_EQ(sizes, (std::vector<std::size_t>{100'000, 1}));
}

// A length-delimited field of a protocol buffer; everything here is shorter than 128 bytes.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  out += static_cast<char>(bytes.size());
  return out + bytes;
}

// Pieces <unk> (unknown), "a" and "b" of a BPE model with a score of 0.
std::string tiny_sentencepiece() {
  const std::string score("\x15\0\0\0\0", 5);
  return field(1, field(1, "<unk>") + score + "\x18\x02") + field(1, field(1, "a") + score + "\x18\x01") +
         field(1, field(1, "b") + score + "\x18\x01") + field(2, "\x18\x02");  // model_type BPE
}

TokenizerFile load(const std::string& bytes) {
  return read_sentencepiece(bytes, {.add_bos = false}, "m.model");
}

TEST(Hostile, ASentencePieceModelHidesNoCharacterMap) {
  const std::string model = tiny_sentencepiece();
  EXPECT_EQ(load(model).vocab_size, 3);
  const std::string map =
      field(2, "junk");  // NormalizerSpec.precompiled_charsmap, rules that strata does not apply
  EXPECT_STRATA_ERROR(load(model + field(3, map)), ErrorKind::unsupported, "normalisation rules");
  EXPECT_STRATA_ERROR(load(model + field(5, map)), ErrorKind::unsupported, "normalisation rules");
  // Behind an empty group (field 100), which the library passes over.
  EXPECT_STRATA_ERROR(load(model + "\xa3\x06\xa4\x06" + field(3, map)), ErrorKind::bad_file,
                      "not a protocol buffer");
  // With a tag of 33 bits, of which the library reads 32.
  std::string wide = field(3, map);
  wide.replace(0, 1, "\x9a\x80\x80\x80\x10");
  EXPECT_STRATA_ERROR(load(model + wide), ErrorKind::bad_file, "not a protocol buffer");
}

// Found by fuzzing: libsentencepiece's trie, which ends a piece there, throws an exception of its own.
TEST(Hostile, ASentencePieceThatBeginsWithAZeroByte) {
  const std::string nul = field(1, field(1, std::string("\0a", 2)) + "\x18\x01");
  const std::string unigram = field(2, "\x18\x01");  // set again: the later one counts
  EXPECT_STRATA_ERROR(load(nul + tiny_sentencepiece() + unigram), ErrorKind::unsupported,
                      "pieces[0].piece: a zero byte");
}

TEST(Hostile, ACutSentencePieceModel) {
  const std::string model = tiny_sentencepiece();
  for (std::size_t size = 0; size < model.size(); ++size) {
    try {
      (void)load(model.substr(0, size));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_file) << error.what();
    }
  }
}

}  // namespace
}  // namespace strata
