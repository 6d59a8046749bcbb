// Which tokenizer a text gets, and what is asked of it: only what the text uses.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/workflow/text.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TokenizerChoice : public testing::Test {
 protected:
  TokenizerChoice() {
    const fs::path original = test::repo_path("models/qwen2-nano");
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"})
      fs::copy(original / name, path(name));
  }

  [[nodiscard]] fs::path path(const char* name) const { return folder_.path() / name; }
  [[nodiscard]] Json json_of(const char* name) const { return Json::parse(read_file(path(name))); }
  void put(const char* name, const Json& json) const { test::write_text(path(name), json.dump()); }
  [[nodiscard]] Corpus corpus(const TextOptions& asked = {}) const {
    TextOptions options = asked;
    if (options.path.empty()) options.path = test::repo_path("texts/tales");
    options.context = 64;
    options.limit = 2;
    return load_text(Model::open(folder_.path()), options).loaded().corpus;
  }
  static std::vector<std::vector<std::int32_t>> ids(const Corpus& corpus) {
    std::vector<std::vector<std::int32_t>> all;
    for (const Window& window : corpus.windows) all.push_back(window.ids);
    return all;
  }

  test::TemporaryDirectory folder_;
};

TEST_F(TokenizerChoice, MoreTokensThanRowsMatterOnlyWhereATextUsesThem) {
  const auto before = ids(corpus());
  Json json = json_of("tokenizer.json");
  json["added_tokens"].push_back(
      {{"id", 4096}, {"content", "<pad>"}, {"normalized", false}, {"special", true}});
  put("tokenizer.json", json);
  EXPECT_EQ(ids(corpus()), before);
  std::string text = "<pad>";
  for (int i = 0; i < 100; ++i) text += " once upon a time";
  test::write_text(path("padded.txt"), text);
  EXPECT_STRATA_ERROR(corpus({.path = path("padded.txt")}), ErrorKind::bad_file, "token 4096 (\"<pad>\")");
  EXPECT_STRATA_ERROR(corpus({.path = path("padded.txt")}), ErrorKind::bad_file, "padded.txt");
}

TEST_F(TokenizerChoice, VocabAndMergesGiveTheIdsOfTokenizerJson) {
  const auto before = ids(corpus());
  const Json json = json_of("tokenizer.json");
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : json["model"]["merges"])
    merges += (merge.is_string() ? merge.get<std::string>()
                                 : merge[0].get<std::string>() + " " + merge[1].get<std::string>()) +
              "\n";
  put("vocab.json", json["model"]["vocab"]);
  test::write_text(path("merges.txt"), merges);
  fs::remove(path("tokenizer.json"));
  EXPECT_EQ(ids(corpus()), before);
}

TEST_F(TokenizerChoice, DropoutOfZeroIsNoDropout) {
  const auto before = ids(corpus());
  Json json = json_of("tokenizer.json");
  json["model"]["dropout"] = 0.0;
  put("tokenizer.json", json);
  EXPECT_EQ(ids(corpus()), before);
}

TEST_F(TokenizerChoice, DigitsOfASequenceAreRead) {
  Json json = json_of("tokenizer.json");
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Digits"}, {"individual_digits", true}},
                             {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}}}};
  put("tokenizer.json", json);
  EXPECT_FALSE(corpus().windows.empty());
}

TEST_F(TokenizerChoice, TheRecordSaysWhoAsksForBos) {
  EXPECT_EQ(corpus().prefix_tokens, 0);
  put("tokenizer_config.json", Json{{"tokenizer_class", "LlamaTokenizerFast"},
                                    {"add_bos_token", true},
                                    {"bos_token", "<|endoftext|>"},
                                    {"unk_token", nullptr}});
  EXPECT_EQ(corpus().prefix_tokens, 1);
  EXPECT_EQ(corpus().windows[0].ids[0], 4095);
  EXPECT_NE(corpus().bos_policy.find("add_bos_token true in tokenizer_config.json"), std::string::npos);
}

TEST_F(TokenizerChoice, AnotherTokenizerTakesTheModelsPlace) {
  const Corpus before = corpus();
  fs::remove(path("tokenizer.json"));
  EXPECT_STRATA_ERROR(corpus(), ErrorKind::bad_file,
                      "give another tokenizer with --tokenizer, or token ids (.npy)");
  for (const fs::path& given :
       {test::repo_path("models/qwen2-nano"), test::repo_path("models/qwen2-nano/tokenizer.json")})
    EXPECT_EQ(ids(corpus({.tokenizer = given})), ids(before)) << given;
  Json foreign = Json::parse(read_file(test::repo_path("models/qwen2-nano/tokenizer.json")));
  foreign["model"]["type"] = "Unigram";
  put("tokenizer.json", foreign);
  EXPECT_STRATA_ERROR(corpus(), ErrorKind::unsupported, "--tokenizer");
  EXPECT_EQ(ids(corpus({.tokenizer = test::repo_path("models/qwen2-nano")})), ids(before));
  EXPECT_STRATA_ERROR(corpus({.tokenizer = path("nowhere")}), ErrorKind::usage, "which is not there");
  test::write_text(path("other.txt"), "no tokenizer");
  EXPECT_STRATA_ERROR(corpus({.tokenizer = path("other.txt")}), ErrorKind::bad_file, "other.txt");
}

// The digest in the record is that of the tokenizer that was used.
TEST_F(TokenizerChoice, TheDigestIsOfTheOneThatWasUsed) {
  const TextOptions options{.path = test::repo_path("texts/tales"),
                            .context = 64,
                            .limit = 2,
                            .tokenizer = test::repo_path("models/llama-nano/tokenizer.json")};
  const Text text = load_text(Model::open(folder_.path()), options);
  EXPECT_EQ(text.loaded().tokenizer->sha256(),
            Tokenizer::from_directory(test::repo_path("models/llama-nano")).sha256());
}

}  // namespace
}  // namespace strata
