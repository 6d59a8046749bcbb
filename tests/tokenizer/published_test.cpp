// The vocabularies of Llama 3 and Qwen2 on llama.cpp's test vectors. They come as GGUF and stay outside the
// repository: the few metadata arrays are read here, and turned into the tokenizer.json they were made from.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <sstream>

#include "strata/base/file.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

class GgufMetadata {
 public:
  explicit GgufMetadata(std::string bytes) : bytes_(std::move(bytes)) {
    if (take(4) != "GGUF") throw std::runtime_error("not a GGUF file");
    (void)number<std::uint32_t>();
    (void)number<std::uint64_t>();
    const auto keys = number<std::uint64_t>();
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::string key = string();
      value(key, number<std::uint32_t>());
    }
  }
  std::map<std::string, std::vector<std::string>> strings;
  std::map<std::string, std::vector<std::int32_t>> integers;

 private:
  std::string take(std::uint64_t count) {
    if (count > bytes_.size() - at_) throw std::runtime_error("GGUF ends early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  template <typename T>
  T number() {
    T result;
    std::memcpy(&result, take(sizeof(T)).data(), sizeof(T));
    return result;
  }
  std::string string() { return take(number<std::uint64_t>()); }
  void value(const std::string& key, std::uint32_t type) {
    constexpr std::size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
      strings[key].push_back(string());
    } else if (type == 9) {
      const auto element = number<std::uint32_t>();
      const auto count = number<std::uint64_t>();
      for (std::uint64_t i = 0; i < count; ++i) value(key, element);
    } else if (type == 5) {
      integers[key].push_back(number<std::int32_t>());
    } else {
      (void)take(kSizes[type]);
    }
  }
  std::string bytes_;
  std::size_t at_ = 0;
};

// The patterns of the published tokenizer.json files (meta-llama/Meta-Llama-3-8B, Qwen/Qwen2-7B).
std::string pattern_with_digits(const std::string& digits) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

Tokenizer from_gguf(const std::filesystem::path& path, const std::string& digits, bool ignore_merges) {
  GgufMetadata gguf(read_file(path));
  nlohmann::json json = test::tiny_json();
  json["pre_tokenizer"] = test::split_by(pattern_with_digits(digits));
  json["model"]["ignore_merges"] = ignore_merges;
  json["model"]["merges"] = gguf.strings.at("tokenizer.ggml.merges");
  const auto& tokens = gguf.strings.at("tokenizer.ggml.tokens");
  const auto& types = gguf.integers.at("tokenizer.ggml.token_type");
  nlohmann::json vocab = nlohmann::json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (types.at(id) == 1) vocab[tokens[id]] = id;
    if (types.at(id) == 3 || types.at(id) == 4)  // control, user-defined
      json["added_tokens"].push_back(test::added_token(static_cast<int>(id), tokens[id]));
  }
  json["model"]["vocab"] = std::move(vocab);
  return test::load(json);
}

std::vector<std::string> inputs_of(const std::string& content) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> inputs;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = content.find(separator, at);
    inputs.push_back(content.substr(at, end - at));
    at = end == std::string::npos ? end : end + separator.size();
  }
  return inputs;
}

struct Published {
  const char* file;
  const char* digits;
  bool ignore_merges;
};

class PublishedVocabulary : public testing::TestWithParam<Published> {};

TEST_P(PublishedVocabulary, LlamaCppsVectors) {
  const std::string base = std::string("third-party/tokenizers/") + GetParam().file;
  const auto path = test::shared_data(base);
  if (!path) GTEST_SKIP() << base << " is not here";
  const Tokenizer tokenizer = from_gguf(*path, GetParam().digits, GetParam().ignore_merges);
  const auto inputs = inputs_of(read_file(path->string() + ".inp"));
  std::istringstream lines(read_file(path->string() + ".out"));
  ASSERT_GT(inputs.size(), 30u);
  for (const std::string& input : inputs) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    std::istringstream numbers(line);
    const std::vector<std::int32_t> expected{std::istream_iterator<std::int32_t>(numbers), {}};
    EXPECT_EQ(tokenizer.encode(input, false), expected) << in_quotes(input);
    EXPECT_EQ(tokenizer.decode(expected), input);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, PublishedVocabulary,
                         testing::Values(Published{"ggml-vocab-llama-bpe.gguf", R"(\p{N}{1,3})", true},
                                         Published{"ggml-vocab-qwen2.gguf", R"(\p{N})", false}),
                         [](const auto& file) { return file.param.ignore_merges ? "Llama3" : "Qwen2"; });

}  // namespace
}  // namespace strata
