#include "strata/checkpoint/pooling.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPoolingFile = "1_Pooling/config.json";
constexpr std::size_t kMaxPoolingBytes = std::size_t{1} << 20;

struct PoolingWord {
  const char* key;   // sentence-transformers up to 5: a flag for each pooling
  const char* word;  // later: "pooling_mode" names them
  bool computed;
  Pooling pooling;
};
// A sum over tokens divided by the square root of their number has the direction of the mean.
constexpr PoolingWord kPoolingWords[] = {
    {"pooling_mode_lasttoken", "lasttoken", true, Pooling::last_token},
    {"pooling_mode_mean_tokens", "mean", true, Pooling::mean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", true, Pooling::mean},
    {"pooling_mode_cls_token", "cls", true, Pooling::first_token},
    {"pooling_mode_max_tokens", "max", false, Pooling::mean},
    {"pooling_mode_weightedmean_tokens", "weightedmean", false, Pooling::mean},
};

[[noreturn]] void refuse_pooling(const fs::path& file, std::string found) {
  throw Error(ErrorKind::unsupported, {.where = file.string(),
                                       .found = std::move(found),
                                       .expected = "one of lasttoken, mean, mean_sqrt_len_tokens, cls",
                                       .hint = "without the file the last token is the embedding"});
}

// The words of the poolings that the file asks for, in either spelling.
std::vector<std::string> pooling_words(const nlohmann::json& json, const fs::path& file) {
  std::vector<std::string> words;
  if (const auto named = json.find("pooling_mode"); named != json.end()) {
    for (const auto& word : named->is_array() ? *named : nlohmann::json::array({*named})) {
      if (!word.is_string()) refuse_pooling(file, printable("pooling_mode " + word.dump()));
      words.push_back(word.get<std::string>());
    }
    return words;
  }
  for (const auto& [key, value] : json.items()) {
    if (!key.starts_with("pooling_mode_") || value == false) continue;
    const PoolingWord* known = nullptr;
    for (const PoolingWord& row : kPoolingWords) {
      if (key == row.key) known = &row;
    }
    if (known == nullptr || value != true) refuse_pooling(file, printable(key + " " + value.dump()));
    words.emplace_back(known->word);
  }
  return words;
}

}  // namespace

const char* to_string(Pooling pooling) {
  switch (pooling) {
    case Pooling::last_token:
      return "last token";
    case Pooling::mean:
      return "mean over tokens";
    case Pooling::first_token:
      return "first token";
  }
  check_failed("a known pooling", __FILE__, __LINE__);
}

PoolingChoice read_pooling(const Checkpoint& checkpoint) {
  const fs::path file = checkpoint.path() / kPoolingFile;
  std::error_code absent;
  if (!fs::exists(file, absent)) return {.pooling = Pooling::last_token, .source = "strata's default"};
  const nlohmann::json json = parse_strict_json(read_file(file, kMaxPoolingBytes), file.string());
  const std::vector<std::string> words = pooling_words(json, file);
  if (words.size() != 1) refuse_pooling(file, fmt::format("{} poolings", words.size()));
  for (const PoolingWord& row : kPoolingWords) {
    if (words.front() == row.word && row.computed) return {.pooling = row.pooling, .source = kPoolingFile};
  }
  refuse_pooling(file, fmt::format("the pooling '{}'", printable(words.front())));
}

}  // namespace strata
