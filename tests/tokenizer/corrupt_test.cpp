// A corrupt or foreign twin for every field of tokenizer.json.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Json = nlohmann::json;

Json complete() {
  Json json = test::tiny_json({"a b", "ab c"});
  json["normalizer"] = {{"type", "NFC"}};
  json["pre_tokenizer"] = test::split_by(R"(\p{L}+|\s+)");
  json["added_tokens"] = {test::added_token(258, "<s>"), test::added_token(259, "</s>")};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {258}}, {"tokens", {"<s>"}}}}}}};
  return json;
}

struct Twin {
  const char* pointer;  // JSON pointer to what is replaced; "-" at the front removes it
  Json value;
  const char* message;
};

void expect_errors(ErrorKind kind, const std::vector<Twin>& twins) {
  for (const Twin& twin : twins) {
    SCOPED_TRACE(std::string(twin.pointer) + " = " + twin.value.dump());
    Json json = complete();
    const std::string_view pointer(twin.pointer);
    if (pointer.starts_with('-')) {
      const Json::json_pointer at{std::string(pointer.substr(1))};
      Json& parent = json.at(at.parent_pointer());
      parent.is_array() ? parent.erase(std::stoul(at.back())) : void(parent.erase(at.back()));
    } else {
      json[Json::json_pointer(std::string(pointer))] = twin.value;
    }
    EXPECT_STRATA_ERROR(test::load(json), kind, twin.message);
    EXPECT_STRATA_ERROR(test::load(json), kind, "t.json: ");
  }
}

TEST(Corrupt, TheTwinsOriginalLoads) {
  const Tokenizer tokenizer = test::load(complete());
  EXPECT_EQ(tokenizer.encode("abc", true), (std::vector<std::int32_t>{258, 257}));
}

TEST(Corrupt, Vocabulary) {
  expect_errors(ErrorKind::bad_file, {
                                         {"-/model", nullptr, "no key \"model\""},
                                         {"/model", 3, "model: 3; expected an object"},
                                         {"/model", Json::array(), "an array; expected an object"},
                                         {"-/model/type", nullptr, "no key \"type\""},
                                         {"/model/type", 7, "model.type: 7; expected a string"},
                                         {"-/model/vocab", nullptr, "no key \"vocab\""},
                                         {"/model/vocab", Json::array(), "model.vocab"},
                                         {"/model/vocab", "x", "model.vocab"},
                                         {"/model/vocab/ab", -1, "model.vocab[\"ab\"]: -1"},
                                         {"/model/vocab/ab", 1.5, "1.5; expected a non-negative integer"},
                                         {"/model/vocab/ab", "256", "expected a non-negative integer"},
                                         {"/model/vocab/ab", 255, "id 255 twice"},
                                         {"/model/vocab/ab", 100000000, "id 100000000; expected less than"},
                                         {"/model/vocab/ab", 4294967296, "below 2147483647"},
                                         {"/model/vocab/ab", 1e300, "non-negative integer"},
                                         {"/model/vocab/", 300, "an empty token"},
                                         {"/model/unk_token", 3, "model.unk_token: 3; expected a string"},
                                         {"/model/fuse_unk", "no", "model.fuse_unk"},
                                         {"/model/byte_fallback", 0, "model.byte_fallback"},
                                         {"/model/ignore_merges", "yes", "model.ignore_merges"},
                                         {"/model/end_of_word_suffix", false, "model.end_of_word_suffix"},
                                     });
}

TEST(Corrupt, Merges) {
  expect_errors(ErrorKind::bad_file,
                {
                    {"-/model/merges", nullptr, "no key \"merges\""},
                    {"/model/merges", "a b", "model.merges"},
                    {"/model/merges/1", 5, "model.merges[1]: 5; expected a string"},
                    {"/model/merges/1", "ab", "model.merges[1]: \"ab\"; expected two tokens"},
                    {"/model/merges/1", "a b c", "expected two tokens"},
                    {"/model/merges/1", "q\nq c", "unknown token \"q\\x0aq\""},
                    {"/model/merges/1", "c qq", "unknown token \"qq\""},
                    {"/model/merges/1", "b c", "unknown token \"bc\""},
                    {"/model/merges/1", "a b", "there before"},
                    {"/model/merges/1", Json::array({"a"}), "1 tokens; expected two"},
                    {"/model/merges/1", Json::array({"a", 3}), "model.merges[1][1]: 3"},
                });
}

TEST(Corrupt, AddedTokens) {
  expect_errors(ErrorKind::bad_file, {
                                         {"/added_tokens", "x", "added_tokens"},
                                         {"/added_tokens/0", "x", "added_tokens[0]"},
                                         {"-/added_tokens/0/id", nullptr, "no key \"id\""},
                                         {"-/added_tokens/0/content", nullptr, "no key \"content\""},
                                         {"/added_tokens/0/content", 3, "added_tokens[0].content: 3"},
                                         {"/added_tokens/0/content", "", "empty token"},
                                         {"/added_tokens/0/content", "</s>", "\"</s>\" twice"},
                                         {"/added_tokens/0/content", "ab", "id 258 for \"ab\"; expected 256"},
                                         {"/added_tokens/0/id", -5, "added_tokens[0].id: -5"},
                                         {"/added_tokens/0/id", 257, "id 257 twice"},
                                         {"/added_tokens/0/id", 1000000000, "expected less than"},
                                         {"/added_tokens/1/id", 270, "id 270 for \"</s>\"; expected 259"},
                                         {"/added_tokens/0/special", "x", "added_tokens[0].special"},
                                         {"/added_tokens/0/normalized", 1, "added_tokens[0].normalized"},
                                     });
  Json json = complete();
  json["added_tokens"][0] = test::added_token(258, "\u00e9!", "normalized");
  json["added_tokens"][1] = test::added_token(259, "e\u0301!", "normalized");
  json["post_processor"] = nullptr;
  EXPECT_STRATA_ERROR(test::load(json), ErrorKind::bad_file, "two tokens that normalise");
}

TEST(Corrupt, Pipeline) {
  expect_errors(
      ErrorKind::bad_file,
      {
          {"/normalizer", "NFC", "normalizer: \"NFC\"; expected an object"},
          {"-/normalizer/type", nullptr, "no key \"type\""},
          {"/normalizer", {{"type", "Sequence"}}, "no key \"normalizers\""},
          {"/pre_tokenizer", 1, "pre_tokenizer: 1"},
          {"-/pre_tokenizer/type", nullptr, "no key \"type\""},
          {"-/pre_tokenizer/pretokenizers", nullptr, "no key \"pretokenizers\""},
          {"-/pre_tokenizer/pretokenizers/0/pattern", nullptr, "no key \"pattern\""},
          {"-/pre_tokenizer/pretokenizers/0/behavior", nullptr, "no key \"behavior\""},
          {"/pre_tokenizer/pretokenizers/0/pattern/Regex", 3, "pattern.Regex: 3"},
          {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(a", "pattern.Regex: \"(a\""},
          {"/pre_tokenizer/pretokenizers/0/invert", "x", "invert"},
          {"-/pre_tokenizer/pretokenizers/1/add_prefix_space", nullptr, "no key \"add_prefix_space\""},
          {"/pre_tokenizer/pretokenizers/1/use_regex", 0, "use_regex: 0"},
          {"/pre_tokenizer/pretokenizers/0", {{"type", "Digits"}}, "no key \"individual_digits\""},
          {"/pre_tokenizer/pretokenizers/0",
           {{"type", "Digits"}, {"individual_digits", 1}},
           "individual_digits: 1; expected true or false"},
          {"/post_processor", "x", "post_processor: \"x\""},
          {"-/post_processor/single", nullptr, "no key \"single\""},
          {"-/post_processor/single/1", nullptr, "no Sequence"},
          {"/post_processor/single/1/Sequence/id", "B", "\"B\"; expected the text \"A\""},
          {"/post_processor/single/0", {{"Sequence", {{"id", "A"}}}}, "exactly once"},
          {"/post_processor/single/0", {{"Other", 1}}, "no key \"SpecialToken\""},
          {"/post_processor/single/0/SpecialToken/id", "<x>", "no key \"<x>\""},
          {"-/post_processor/special_tokens", nullptr, "no key \"special_tokens\""},
          {"/post_processor/special_tokens/<s>/ids", Json::array(), "0 ids"},
          {"/post_processor/special_tokens/<s>/ids", {1, 2}, "2 ids"},
          {"/post_processor/special_tokens/<s>/ids", {259}, "259 for \"<s>\"; expected 258"},
          {"/post_processor/special_tokens/<s>/tokens", {"<q>"}, "unknown token \"<q>\""},
          {"/decoder", 4, "decoder: 4"},
          {"-/decoder/type", nullptr, "no key \"type\""},
      });
}

TEST(Foreign, ComponentsAreRefusedByName) {
  const char* split = "/pre_tokenizer/pretokenizers/0/behavior";
  expect_errors(
      ErrorKind::unsupported,
      {
          {"/model/type", "Unigram", "model.type: model \"Unigram\" is not supported"},
          {"/model/type", "WordPiece", "WordPiece"},
          {"/model/dropout", 0.1, "dropout 0.1"},
          {"/model/continuing_subword_prefix", "##", "continuing_subword_prefix"},
          {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
          {"/model/byte_fallback", true, "byte_fallback"},
          {"/added_tokens/0/lstrip", true, "added token with lstrip"},
          {"/added_tokens/0/rstrip", true, "added token with rstrip"},
          {"/added_tokens/0/single_word", true, "added token with single_word"},
          {"/normalizer/type", "NFKC", "normalizer \"NFKC\""},
          {"/normalizer",
           {{"type", "Sequence"}, {"normalizers", {{{"type", "Replace"}}}}},
           "normalizers[0].type: normalizer \"Replace\""},
          {"/pre_tokenizer", nullptr, "without pre_tokenizer"},
          {"/pre_tokenizer", {{"type", "Metaspace"}}, "pre_tokenizer \"Metaspace\""},
          {"-/pre_tokenizer/pretokenizers/1", nullptr, "without ByteLevel"},
          {"/pre_tokenizer/pretokenizers/2", {{"type", "Digits"}}, "\"Digits\" behind ByteLevel"},
          {"/pre_tokenizer/pretokenizers/0/pattern", {{"String", " "}}, "a pattern other than Regex"},
          {split, "Removed", "behavior \"Removed\""},
          {split, "MergedWithPrevious", "MergedWithPrevious"},
          {split, "MergedWithNext", "MergedWithNext"},
          {split, "Contiguous", "Contiguous"},
          {"/pre_tokenizer/pretokenizers/0/invert", true, "invert"},
          {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+", "regular expression uses"},
          {"/post_processor/type", "RobertaProcessing", "post_processor \"RobertaProcessing\""},
          {"/post_processor",
           {{"type", "Sequence"},
            {"processors", {complete()["post_processor"], complete()["post_processor"]}}},
           "second TemplateProcessing"},
          {"/version", "2.0", "version \"2.0\""},
          {"/decoder/type", "Metaspace", "decoder \"Metaspace\""},
          {"/decoder/type", "Sequence", "decoder \"Sequence\""},
      });
}

TEST(Corrupt, TheFileItself) {
  const auto bad = [](const std::string& text, const char* message) {
    EXPECT_STRATA_ERROR(Tokenizer::from_json(text, "t.json"), ErrorKind::bad_file, message);
    EXPECT_STRATA_ERROR(Tokenizer::from_json(text, "t.json"), ErrorKind::bad_file, "t.json: ");
  };
  bad("", "empty");
  bad("hello", "not JSON at byte 1");
  bad("[]", "an array; expected a JSON object");
  bad("null", "null; expected a JSON object");
  bad("{}", "no key \"model\"");
  bad("{\"a\": 1e999}", "");
  bad("{\"a\": \"\xff\"}", "not JSON");
  bad(std::string(1'000'000, '['), "nested deeper than 64 at byte 64");
  std::string bomb;
  for (int i = 0; i < 100'000; ++i) bomb += "{\"a\":";
  bad(bomb, "nested deeper than 64");
  const std::string good = complete().dump();
  for (const std::size_t cut : {std::size_t{1}, good.size() / 3, good.size() / 2, good.size() - 1})
    bad(good.substr(0, cut), "not JSON");
  bad(good + "x", "not JSON");
  // Brackets inside strings are no nesting.
  Json deep = complete();
  deep["note"] = std::string(200, '[') + "\"" + std::string(200, '{');
  EXPECT_NO_THROW(test::load(deep));
}

// Loads, or says what is wrong in one line: no other exception, no crash.
void loads_or_explains(const std::string& text) {
  try {
    (void)Tokenizer::from_json(text, "t.json").encode("abc <s> e\u0301 12", true);
  } catch (const Error& error) {
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    EXPECT_TRUE(error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::unsupported)
        << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what() << " for " << text.substr(0, 300);
  }
}

TEST(Corrupt, EveryValueReplacedByEveryType) {
  const Json original = complete();
  const Json values =
      Json::parse(R"([null, true, 3, -1, 1e300, "x", "a\nb", [], {}, ["a"], [[]], {"type": "Sequence"}])");
  const Json flat = original.flatten();
  for (const auto& [pointer, ignored] : flat.items()) {
    if (pointer.starts_with("/model/vocab/") && pointer != "/model/vocab/ab") continue;
    for (Json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
      for (const Json& value : values) {
        Json json = original;
        json[at] = value;
        loads_or_explains(json.dump());
      }
    }
  }
}

TEST(Corrupt, RandomBytesChanged) {
  Philox rng({.seed = 5, .stream = Stream::test});
  const std::string original = complete().dump();
  for (int trial = 0; trial < 1500; ++trial) {
    std::string text = original;
    for (std::uint64_t changes = 1 + rng.below(3); changes > 0; --changes)
      text[rng.below(text.size())] = "{}[]\",:\\0129-eab\n\xc3\x01"[rng.below(19)];
    loads_or_explains(text);
  }
}

}  // namespace
}  // namespace strata
