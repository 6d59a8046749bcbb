#include "strata/tokenizer/read_directory.h"

#include <fmt/format.h>

#include <optional>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/tokenizer/hugging_face_config.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "strata/tokenizer/vocab_merges.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileLimitBytes = std::size_t{1} << 28;  // the largest published one has 2^25

// A link that leads nowhere is there: an interrupted download must not pass for a file that was never made.
bool is_there(const fs::path& path) {
  std::error_code unreadable;
  const auto type = fs::symlink_status(path, unreadable).type();
  return type != fs::file_type::not_found && type != fs::file_type::none;
}

std::string read_whole(const fs::path& path) {
  std::error_code unreadable;
  if (fs::is_symlink(path, unreadable) && !fs::exists(path, unreadable)) {
    throw Error(ErrorKind::bad_file, {.where = path.string(),
                                      .found = "a link to a file that is not there",
                                      .expected = "the file",
                                      .hint = "was the download interrupted?"});
  }
  return read_file(path, kFileLimitBytes);
}

std::optional<std::string> read_if_there(const fs::path& path) {
  if (!is_there(path)) return std::nullopt;
  return read_whole(path);
}

// The class of config.json, where tokenizer_config.json names none.
void complete_class(const fs::path& directory, HuggingFaceConfig& config) {
  if (!config.tokenizer_class.empty()) return;
  const auto text = read_if_there(directory / "config.json");
  if (!text) return;
  const nlohmann::json parsed = parse_json_object(*text, (directory / "config.json").string());
  const JsonView root(parsed, (directory / "config.json").string() + ": ");
  if (root.has("tokenizer_class")) {
    config.tokenizer_class = slow_class_name(root.at("tokenizer_class").string());
  } else if (root.has("model_type")) {
    config.tokenizer_class = class_of_model_type(root.at("model_type").string());
    config.class_is_guess = true;
  }
}

// Digests of what was read, in order: one file's own, or that of several digests one after the other.
class Digests {
 public:
  void add(std::string_view bytes) {
    joined_ += sha256_hex(bytes);
    ++count_;
  }
  [[nodiscard]] std::string sha256() const { return count_ == 1 ? joined_ : sha256_hex(joined_); }

 private:
  std::string joined_;
  int count_ = 0;
};

// config.json only lends the name of a class: it is the model's, and no part of the digest.
std::optional<HuggingFaceConfig> read_config(const fs::path& directory, Digests& digests) {
  const fs::path path = directory / "tokenizer_config.json";
  const auto text = read_if_there(path);
  if (!text) return std::nullopt;
  digests.add(*text);
  HuggingFaceConfig config = parse_hugging_face_config(*text, path.string());
  complete_class(directory, config);
  const fs::path map = directory / "special_tokens_map.json";
  if (!config.lists_added && is_there(map)) {
    const std::string tokens = read_whole(map);
    digests.add(tokens);
    add_special_tokens_map(tokens, map.string(), config);
  }
  return config;
}

FoundTokenizer read_json(const fs::path& path) {
  const std::string text = read_whole(path);
  Digests digests;
  digests.add(text);
  FoundTokenizer found{
      .file = parse_tokenizer_file(text, path.string()), .where = path.string(), .sha256 = {}};
  if (const auto config = read_config(path.parent_path(), digests))
    apply_hugging_face_config(*config, found.file);
  found.sha256 = digests.sha256();
  return found;
}

FoundTokenizer read_model(const fs::path& path) {
  SentencePiecePolicy policy;
  const fs::path directory = path.parent_path();
  const auto config = directory / "tokenizer_config.json";
  const auto config_text = read_if_there(config);
  if (config_text) policy = parse_tokenizer_config(*config_text, config.string());
  const auto older = directory / "added_tokens.json";
  if (policy.added.empty() && is_there(older)) {
    throw Error(ErrorKind::unsupported,
                {.where = older.string(),
                 .found = "tokens added to tokenizer.model in this file are not supported",
                 .expected = "added_tokens_decoder in tokenizer_config.json, or tokenizer.json",
                 .hint = "save the tokenizer again with a newer transformers"});
  }
  const std::string bytes = read_whole(path);
  Digests digests;
  digests.add(bytes);
  if (config_text) digests.add(*config_text);
  return {.file = read_sentencepiece(bytes, policy, path.string()),
          .where = path.string(),
          .sha256 = digests.sha256()};
}

FoundTokenizer read_vocab_merges(const fs::path& directory) {
  const fs::path vocab = directory / "vocab.json", merges = directory / "merges.txt";
  for (const auto& [here, missing] : {std::pair(vocab, merges), std::pair(merges, vocab)}) {
    if (is_there(missing)) continue;
    throw Error(
        ErrorKind::bad_file,
        {.where = missing.string(), .found = "missing", .expected = "it beside " + here.filename().string()});
  }
  const std::string vocab_text = read_whole(vocab), merges_text = read_whole(merges);
  Digests digests;
  digests.add(vocab_text);
  digests.add(merges_text);
  HuggingFaceConfig config;
  if (auto read = read_config(directory, digests)) {
    config = std::move(*read);
  } else {
    config.where = (directory / "tokenizer_config.json").string();
    complete_class(directory, config);
  }
  FoundTokenizer found{
      .file = parse_vocab_merges(vocab_text, vocab.string(), merges_text, merges.string(), config),
      .where = vocab.string(),
      .sha256 = digests.sha256()};
  apply_hugging_face_config(config, found.file);
  return found;
}

}  // namespace

bool has_tokenizer(const fs::path& directory) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt"})
    if (is_there(directory / name)) return true;
  return false;
}

FoundTokenizer read_tokenizer_directory(const fs::path& directory) {
  if (is_there(directory / "tokenizer.json")) return read_json(directory / "tokenizer.json");
  if (is_there(directory / "tokenizer.model")) return read_model(directory / "tokenizer.model");
  if (has_tokenizer(directory)) return read_vocab_merges(directory);
  throw Error(ErrorKind::bad_file,
              {.where = (directory / "tokenizer.json").string(),
               .found = "missing, and so is tokenizer.model (and vocab.json with merges.txt)",
               .expected = "the model's tokenizer beside its weights"});
}

FoundTokenizer read_tokenizer_path(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name == "vocab.json" || name == "merges.txt") return read_vocab_merges(path.parent_path());
  const std::string text = read_whole(path);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{' ? read_json(path) : read_model(path);
}

}  // namespace strata
