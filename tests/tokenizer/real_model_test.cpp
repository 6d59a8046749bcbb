// SmolLM2's tokenizer, as a published GGUF has it, against Hugging Face's tokenizers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/gguf/gguf.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

// The tokenizer.json that SmolLM2 is published with: its layout, and the vocabulary and merges of the GGUF.
Json published_json(const GgufMetadata& metadata) {
  const auto types = metadata.integers("tokenizer.ggml.token_type");
  Json json = test::tiny_json();
  Json vocab = Json::object();
  std::int32_t id = 0;
  for (const std::string_view token : metadata.strings("tokenizer.ggml.tokens")) {
    if (types[static_cast<std::size_t>(id)] == 3)
      json["added_tokens"].push_back(test::added_token(id, std::string(token)));
    vocab[std::string(token)] = id++;
  }
  json["model"]["vocab"] = std::move(vocab);
  json["model"]["merges"] = Json::array();
  for (const std::string_view merge : metadata.strings("tokenizer.ggml.merges"))
    json["model"]["merges"].push_back(merge);
  json["pre_tokenizer"]["use_regex"] = true;
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, json["pre_tokenizer"]}}};
  return json;
}

class SmolLM2 : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::real_model();
    if (!path) GTEST_SKIP() << test::kNoRealModel;
    const MappedFile file(*path);
    const GgufHeader header = parse_gguf(file.bytes(), path->string());
    tokenizers_.emplace("GGUF", Tokenizer::from_gguf(header.metadata));
    tokenizers_.emplace("tokenizer.json",
                        Tokenizer::from_json(published_json(header.metadata).dump(), "tokenizer.json"));
    golden_ = Json::parse(read_file(test::repo_path("tests/golden/smollm2/ids.json")));
  }
  std::map<std::string, Tokenizer> tokenizers_;
  Json golden_;
};

TEST_F(SmolLM2, HardStrings) {
  ASSERT_EQ(golden_["strings"].size(), 39u);
  for (const auto& [source, tokenizer] : tokenizers_) {
    EXPECT_TRUE(tokenizer.prefix().empty()) << source;
    for (const Json& line : golden_["strings"]) {
      const auto text = line["text"].get<std::string>();
      const auto ids = tokenizer.encode(text, true);
      EXPECT_EQ(ids, line["ids"].get<Ids>()) << source << ": " << line["text"];
      EXPECT_EQ(tokenizer.decode(ids), text) << source;
    }
  }
}

TEST_F(SmolLM2, WholeTexts) {
  std::int64_t compared = 0;
  for (const Json& text : golden_["texts"]) {
    const auto name = text["file"].get<std::string>();
    const bool ours = name.starts_with("texts/");
    const auto path = ours ? std::optional(test::repo_path(name)) : test::shared_data(name);
    if (!path) continue;  // third-party texts stay outside the repository
    const std::string content = read_file(*path);
    for (const auto& [source, tokenizer] : tokenizers_) {
      const Ids ids = tokenizer.encode(content, true);
      EXPECT_EQ(static_cast<std::int64_t>(ids.size()), text["tokens"]) << source << ": " << name;
      const auto bytes = std::as_bytes(std::span(ids));
      EXPECT_EQ(sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), text["sha256"])
          << source << ": " << name;
      compared += static_cast<std::int64_t>(ids.size());
    }
  }
  EXPECT_GE(compared, 2 * 18157) << "the tales alone have so many tokens";
}

TEST_F(SmolLM2, TheBytesThatItsVocabularyLacks) {
  for (const auto& [source, tokenizer] : tokenizers_) {
    std::string lacks;
    for (int byte = 0; byte < 0x80; ++byte) {
      try {
        (void)tokenizer.encode(std::string(1, static_cast<char>(byte)), false);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
        lacks += fmt::format(" {:02x}", byte);
      }
    }
    EXPECT_EQ(lacks, " 04 06 13 14 16 1d") << source;
    EXPECT_STRATA_ERROR(tokenizer.encode("an ack\006here", false, "a.txt"), ErrorKind::unsupported,
                        "a.txt: byte 0x06 at byte 6 (of U+0006)");
    EXPECT_STRATA_ERROR(tokenizer.encode("\U00040000", false), ErrorKind::unsupported, "byte 0xf1 at byte 0");
  }
}

}  // namespace
}  // namespace strata
