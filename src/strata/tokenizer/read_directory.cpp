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

std::optional<HuggingFaceConfig> read_config(const fs::path& directory) {
  const fs::path path = directory / "tokenizer_config.json";
  const auto text = read_if_there(path);
  if (!text) return std::nullopt;
  HuggingFaceConfig config = parse_hugging_face_config(*text, path.string());
  complete_class(directory, config);
  const fs::path map = directory / "special_tokens_map.json";
  if (!config.lists_added && is_there(map)) add_special_tokens_map(read_whole(map), map.string(), config);
  return config;
}

FoundTokenizer read_json(const fs::path& path) {
  const std::string text = read_whole(path);
  FoundTokenizer found{
      .file = parse_tokenizer_file(text, path.string()), .where = path.string(), .sha256 = sha256_hex(text)};
  if (const auto config = read_config(path.parent_path())) apply_hugging_face_config(*config, found.file);
  return found;
}

FoundTokenizer read_model(const fs::path& path) {
  SentencePiecePolicy policy;
  const fs::path directory = path.parent_path();
  const auto config = directory / "tokenizer_config.json";
  if (const auto text = read_if_there(config)) policy = parse_tokenizer_config(*text, config.string());
  const auto older = directory / "added_tokens.json";
  if (policy.added.empty() && is_there(older)) {
    throw Error(ErrorKind::unsupported,
                {.where = older.string(),
                 .found = "tokens added to tokenizer.model in this file are not supported",
                 .expected = "added_tokens_decoder in tokenizer_config.json, or tokenizer.json",
                 .hint = "save the tokenizer again with a newer transformers"});
  }
  const std::string bytes = read_whole(path);
  return {.file = read_sentencepiece(bytes, policy, path.string()),
          .where = path.string(),
          .sha256 = sha256_hex(bytes)};
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
  HuggingFaceConfig config;
  if (auto read = read_config(directory)) {
    config = std::move(*read);
  } else {
    config.where = (directory / "tokenizer_config.json").string();
    complete_class(directory, config);
  }
  FoundTokenizer found{
      .file = parse_vocab_merges(vocab_text, vocab.string(), merges_text, merges.string(), config),
      .where = vocab.string(),
      .sha256 = sha256_hex(sha256_hex(vocab_text) + sha256_hex(merges_text))};
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
