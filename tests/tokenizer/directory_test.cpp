// Which files of a folder count: BOS by the class's rules, added tokens, vocab.json and merges.txt, broken
// links.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"
#include "tests/tokenizer/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

constexpr auto kBad = ErrorKind::bad_file;
constexpr auto kForeign = ErrorKind::unsupported;

class Directory : public testing::Test {
 protected:
  // A byte-level tokenizer with "ab" as 256, "<s>" as 257, "</s>" as 258; with a template, BOS before every
  // text.
  static Json tokenizer(bool bos) {
    Json json = test::tiny_json({"a b"});
    for (const auto& [text, id] : {std::pair("<s>", 257), std::pair("</s>", 258)})
      json["added_tokens"].push_back(
          {{"id", id}, {"content", text}, {"normalized", false}, {"special", true}});
    if (bos) {
      json["post_processor"] = {
          {"type", "TemplateProcessing"},
          {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}}},
          {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {257}}, {"tokens", {"<s>"}}}}}}};
    }
    return json;
  }
  void put(const char* name, const Json& json) const { test::write_text(path(name), json.dump()); }
  void put(const char* name, const char* text) const { test::write_text(path(name), text); }
  [[nodiscard]] fs::path path(const char* name) const { return folder_.path() / name; }
  [[nodiscard]] Tokenizer load() const { return Tokenizer::from_directory(folder_.path()); }
  // Prefix and suffix with this tokenizer_config.json.
  [[nodiscard]] std::pair<Ids, Ids> around(bool template_bos, const Json& config) const {
    put("tokenizer.json", tokenizer(template_bos));
    put("tokenizer_config.json", config);
    const Tokenizer loaded = load();
    return {loaded.prefix(), loaded.suffix()};
  }

  test::TemporaryDirectory folder_;
};

// Whatever changes ids changes the digest: every file that was read is in it.
TEST_F(Directory, TheDigestIsOfEveryFileThatWasRead) {
  const auto digest_with = [&](const Json& config) {
    (void)around(false, config);
    return load().sha256();
  };
  Json config = {{"tokenizer_class", "LlamaTokenizerFast"}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
  const std::string with_bos = digest_with(config);
  config["add_bos_token"] = false;
  EXPECT_NE(digest_with(config), with_bos);
  const std::string before = load().sha256();
  put("special_tokens_map.json", Json{{"bos_token", {{"content", "</s>"}}}});
  EXPECT_NE(load().sha256(), before);
  put("config.json", Json{{"model_type", "llama"}});  // the model's
  const std::string three = load().sha256();
  put("config.json", Json{{"model_type", "qwen2"}});
  EXPECT_EQ(load().sha256(), three);
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) fs::remove(path(name));
  EXPECT_EQ(load().sha256(), sha256_hex(read_file(path("tokenizer.json"))));  // as ever
}

// transformers 4.57: LlamaTokenizerFast and its like build the template anew, the other classes leave it.
TEST_F(Directory, BosFollowsTheClassBothWays) {
  const std::pair<Ids, Ids> bos = {{257}, {}}, none = {{}, {}};
  for (const char* name : {"LlamaTokenizerFast", "LlamaTokenizer", "CodeLlamaTokenizerFast",
                           "CohereTokenizer", "GemmaTokenizerFast"}) {
    SCOPED_TRACE(name);
    Json config = {{"tokenizer_class", name}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
    EXPECT_EQ(around(false, config), bos);  // add_bos_token is true by default
    config["add_bos_token"] = true;
    EXPECT_EQ(around(false, config), bos);
    EXPECT_EQ(around(true, config), bos);
    config["add_bos_token"] = false;
    EXPECT_EQ(around(false, config), none);
    EXPECT_EQ(around(true, config), none);
    config["add_eos_token"] = true;
    EXPECT_EQ(around(true, config), std::pair(Ids{}, Ids{258}));
    config["add_eos_token"] = nullptr;
    EXPECT_EQ(around(true, config), none);
  }
  for (const char* name : {"PreTrainedTokenizerFast", "Qwen2Tokenizer", "GPT2TokenizerFast"}) {
    SCOPED_TRACE(name);
    Json config = {{"tokenizer_class", name}, {"bos_token", "<s>"}};
    for (const Json& flag : {Json(true), Json(false)}) {
      config["add_bos_token"] = flag;
      EXPECT_EQ(around(false, config), none);
      EXPECT_EQ(around(true, config), bos);
    }
  }
}

// DeepSeek-R1-Distill-Qwen: the token is an object, the template has none.
TEST_F(Directory, BosOfR1DistillIsAdded) {
  const Json token = {{"__type", "AddedToken"}, {"content", "<s>"}, {"lstrip", false}, {"normalized", true}};
  EXPECT_EQ(around(false, {{"tokenizer_class", "LlamaTokenizerFast"},
                           {"add_bos_token", true},
                           {"add_eos_token", false},
                           {"legacy", true},
                           {"bos_token", token},
                           {"unk_token", nullptr}}),
            std::pair(Ids{257}, Ids{}));
  EXPECT_NE(load().special_source().find("add_bos_token true in tokenizer_config.json (LlamaTokenizer)"),
            std::string::npos);
}

TEST_F(Directory, WhoDecidedIsSaidOnlyWhereFilesDisagree) {
  (void)around(true, {{"tokenizer_class", "LlamaTokenizerFast"}, {"bos_token", "<s>"}});
  EXPECT_EQ(load().special_source(), "");
  (void)around(false, {{"tokenizer_class", "Qwen2Tokenizer"}, {"add_bos_token", true}});
  EXPECT_NE(load().special_source().find("Qwen2Tokenizer does not read add_bos_token true"),
            std::string::npos);
  (void)around(true, {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"add_bos_token", true}});
  EXPECT_EQ(load().special_source(), "");
}

TEST_F(Directory, TheClassMayStandInConfigJson) {
  const Json config = {{"bos_token", "<s>"}, {"add_bos_token", true}};
  EXPECT_TRUE(around(false, config).first.empty());  // nothing names a class: the template
  put("config.json", Json{{"model_type", "qwen2"}});
  EXPECT_TRUE(around(false, config).first.empty());
  put("config.json", Json{{"model_type", "llama"}});
  EXPECT_EQ(around(false, config).first, Ids{257});
  put("config.json", Json{{"model_type", "qwen2"}, {"tokenizer_class", "LlamaTokenizerFast"}});
  EXPECT_EQ(around(false, config).first, Ids{257});
  put("config.json", "{");
  EXPECT_STRATA_ERROR(around(false, config), kBad, "config.json");
}

TEST_F(Directory, SpecialTokensMapCountsWhereNoDecoderIsListed) {
  Json config = {{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", "<s>"}};
  put("special_tokens_map.json", Json{{"bos_token", {{"content", "</s>"}}}});
  EXPECT_EQ(around(false, config).first, Ids{258});
  config["added_tokens_decoder"] = {{"257", {{"content", "<s>"}}}};
  EXPECT_EQ(around(false, config).first, Ids{257});
  config.erase("added_tokens_decoder");
  put("special_tokens_map.json", "[");
  EXPECT_STRATA_ERROR(around(false, config), kBad, "special_tokens_map.json");
}

TEST_F(Directory, TokensThatTheConfigurationNamesAreAdded) {
  put("tokenizer.json", tokenizer(false));
  put("tokenizer_config.json",
      Json{{"added_tokens_decoder", {{"257", {{"content", "<s>"}}}, {"259", {{"content", "<q>"}}}}},
           {"pad_token", "<pad>"},
           {"additional_special_tokens", {"<x>", "ab"}}});
  const Tokenizer loaded = load();
  EXPECT_EQ(loaded.encode("ab<q>ab<pad><x>", false), (Ids{256, 259, 256, 260, 261}));
  EXPECT_EQ(loaded.vocab_size(), 262);
}

TEST_F(Directory, CorruptOrDanglingFilesAreErrors) {
  put("tokenizer.json", tokenizer(false));
  const auto refused = [&](const Json& config, ErrorKind kind, const char* message) {
    put("tokenizer_config.json", config);
    EXPECT_STRATA_ERROR(load(), kind, message);
    EXPECT_STRATA_ERROR(load(), kind, "tokenizer_config.json");
  };
  const char* llama = "LlamaTokenizerFast";
  refused({{"tokenizer_class", 3}}, kBad, "tokenizer_class");
  refused({{"add_bos_token", "yes"}}, kBad, "add_bos_token");
  refused({{"add_eos_token", 1}}, kBad, "add_eos_token");
  refused({{"bos_token", 1}}, kBad, "bos_token");
  refused({{"bos_token", {{"text", "<s>"}}}}, kBad, "no key \"content\"");
  refused({{"tokenizer_class", llama}, {"bos_token", nullptr}}, kBad, "bos_token: null");
  refused({{"tokenizer_class", llama}, {"add_eos_token", true}, {"eos_token", nullptr}}, kBad,
          "eos_token: null");
  refused({{"additional_special_tokens", "x"}}, kBad, "additional_special_tokens");
  refused({{"added_tokens_decoder", {{"300", {{"content", "<q>"}}}}}}, kBad, "id 300");
  refused({{"added_tokens_decoder", {{"259", {{"content", "<q>"}, {"lstrip", true}}}}}}, kForeign, "lstrip");
  refused({{"split_special_tokens", true}}, kForeign, "split_special_tokens");
  refused({{"add_prefix_space", true}}, kForeign, "add_prefix_space");
  refused({{"add_prefix_space", 1}}, kBad, "add_prefix_space");
  Json other = test::tiny_json();
  put("tokenizer.json", other);
  refused({{"tokenizer_class", llama}}, kBad, "\"<s>\", which is no token");
  put("tokenizer_config.json", "{\"add_bos_token\": tr");
  EXPECT_STRATA_ERROR(load(), kBad, "not JSON");
  for (const char* name : {"tokenizer_config.json", "tokenizer.json"}) {
    fs::remove(path(name));
    fs::create_symlink("../../blobs/0123", path(name));
    EXPECT_STRATA_ERROR(load(), kBad, "a link to a file that is not there");
    EXPECT_STRATA_ERROR(load(), kBad, name);
  }
}

class VocabMerges : public Directory {
 protected:
  void write(const char* tokenizer_class, const char* merges = "#version: 0.2\na b\n") const {
    Json vocab = test::tiny_json({"a b"})["model"]["vocab"];
    put("vocab.json", vocab);
    put("merges.txt", merges);
    put("tokenizer_config.json", Json{{"tokenizer_class", tokenizer_class}, {"eos_token", "<|end|>"}});
  }
};

TEST_F(VocabMerges, Qwen2CutsAndComposesAsItsTokenizerJsonDoes) {
  write("Qwen2Tokenizer");
  const Tokenizer loaded = load();
  EXPECT_EQ(loaded.encode("ab 12<|end|>", false), (Ids{256, ' ', '1', '2', 257}));
  EXPECT_EQ(loaded.encode("e\u0301", false), (Ids{0xc3, 0xa9}));  // NFC
  EXPECT_TRUE(loaded.prefix().empty());
  EXPECT_EQ(Tokenizer::from_path(path("vocab.json")).sha256(), loaded.sha256());
  const std::string both =
      sha256_hex(test::tiny_json({"a b"})["model"]["vocab"].dump()) + sha256_hex("#version: 0.2\na b\n");
  EXPECT_EQ(loaded.sha256(), sha256_hex(both + sha256_hex(read_file(path("tokenizer_config.json")))));
  fs::remove(path("tokenizer_config.json"));
  put("config.json", Json{{"model_type", "qwen3"}});
  EXPECT_EQ(load().encode("ab", false), Ids{256});
  EXPECT_EQ(load().sha256(), sha256_hex(both));  // config.json is the model's, not the tokenizer's
}

TEST_F(VocabMerges, Gpt2CutsAtItsOwnPattern) {
  write("GPT2TokenizerFast", "a b\r\n\r\n");
  EXPECT_EQ(load().encode("ab 12", false), (Ids{256, ' ', '1', '2'}));
  EXPECT_EQ(load().encode("e\u0301", false), (Ids{'e', 0xcc, 0x81}));
}

TEST_F(VocabMerges, CorruptTwins) {
  const auto refused = [&](ErrorKind kind, const char* message) {
    EXPECT_STRATA_ERROR(load(), kind, message);
  };
  write("BertTokenizer");
  refused(kForeign, "\"BertTokenizer\" from vocab.json");
  write("Qwen2Tokenizer", "a b c\n");
  refused(kBad, "merges.txt: line 1");
  write("Qwen2Tokenizer", "#version: 0.2\nab\n");
  refused(kBad, "merges.txt: line 2");
  write("Qwen2Tokenizer", "a \xff\n");
  refused(kBad, "invalid UTF-8 at byte 2");
  write("Qwen2Tokenizer", "a q\n");
  refused(kBad, "unknown token \"aq\"");
  write("Qwen2Tokenizer", "a b\na b\n");
  refused(kBad, "there before");
  write("Qwen2Tokenizer");
  put("vocab.json", "[1]");
  refused(kBad, "vocab.json");
  put("vocab.json", R"({"a": -1})");
  refused(kBad, "non-negative integer");
  fs::remove(path("vocab.json"));
  refused(kBad, "vocab.json: missing; expected it beside merges.txt");
  write("Qwen2Tokenizer");
  fs::remove(path("merges.txt"));
  refused(kBad, "merges.txt: missing");
  fs::remove(path("vocab.json"));
  refused(kBad, "tokenizer.json: missing");
  write("Qwen2Tokenizer");
  fs::remove(path("tokenizer_config.json"));
  refused(kForeign, "no tokenizer_class");
}

TEST_F(Directory, AnyFileOfATokenizerMayBeNamed) {
  put("tokenizer.json", tokenizer(true));
  EXPECT_EQ(Tokenizer::from_path(path("tokenizer.json")).prefix(), Ids{257});
  EXPECT_EQ(Tokenizer::from_path(folder_.path()).prefix(), Ids{257});
  test::write_text(path("blob"), test::bpe_gguf("qwen2", {"a b"}).bytes());
  EXPECT_EQ(Tokenizer::from_path(path("blob")).encode("ab", false), Ids{256});
  put("other", "neither JSON nor a model");
  EXPECT_STRATA_ERROR(Tokenizer::from_path(path("other")), kBad, "other");
}

TEST(Dropout, OfZeroIsNone) {
  Json json = test::tiny_json({"a b"});
  for (const Json& none : {Json(nullptr), Json(0), Json(0.0)}) {
    json["model"]["dropout"] = none;
    EXPECT_EQ(Tokenizer::from_json(json.dump(), "t").encode("ab", false), Ids{256});
  }
  json["model"]["dropout"] = "0";
  EXPECT_STRATA_ERROR(Tokenizer::from_json(json.dump(), "t"), kBad, "model.dropout");
}

TEST(Decoder, IsNotNeededForIds) {
  for (Json json : {test::tiny_json({"a b"}), test::tiny_characters_json({"a", "b"}, {"a b"})}) {
    const Ids ids = Tokenizer::from_json(json.dump(), "t").encode("ab", false);
    json["decoder"] = nullptr;
    EXPECT_EQ(Tokenizer::from_json(json.dump(), "t").encode("ab", false), ids);
    json.erase("decoder");
    EXPECT_EQ(Tokenizer::from_json(json.dump(), "t").encode("ab", false), ids);
  }
}

// Tokenizers with unk_token and all bytes have nothing unknown.
TEST(UnknownToken, ChangesNothingWhereBytesAreTokens) {
  Json json = test::tiny_json({"a b"});
  const Ids ids = Tokenizer::from_json(json.dump(), "t").encode("ab\u00e9", false);
  json["model"]["unk_token"] = "ab";
  json["model"]["fuse_unk"] = true;
  EXPECT_EQ(Tokenizer::from_json(json.dump(), "t").encode("ab\u00e9", false), ids);
}

}  // namespace
}  // namespace strata
