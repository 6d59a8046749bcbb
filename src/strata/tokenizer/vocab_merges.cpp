// The pipelines are those of Qwen2Converter and GPT2Converter in transformers' convert_slow_tokenizer.py.
#include "strata/tokenizer/vocab_merges.h"

#include <fmt/format.h>

#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/tokenizer_file_parts.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json read_merges(std::string_view text, const std::string& where) {
  if (const auto bad = invalid_utf8_offset(text))
    throw Error(
        ErrorKind::bad_file,
        {.where = where, .found = fmt::format("invalid UTF-8 at byte {}", *bad), .expected = "UTF-8"});
  Json merges = Json::array();
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size(); ++number) {
    std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 0 && line.starts_with("#version"))) continue;
    const std::size_t space = line.find(' ');
    if (space == 0 || space + 1 >= line.size() || space == std::string_view::npos ||
        line.find(' ', space + 1) != std::string_view::npos)
      throw Error(ErrorKind::bad_file, {.where = fmt::format("{}: line {}", where, number + 1),
                                        .found = in_quotes(line),
                                        .expected = "two tokens with one space between them"});
    merges.push_back(line);
  }
  return merges;
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"use_regex", use_regex}};
}

}  // namespace

TokenizerFile parse_vocab_merges(std::string_view vocab, const std::string& vocab_where,
                                 std::string_view merges, const std::string& merges_where,
                                 const HuggingFaceConfig& config) {
  const bool qwen2 = config.tokenizer_class == "Qwen2Tokenizer";
  if (!qwen2 && config.tokenizer_class != "GPT2Tokenizer") {
    throw Error(ErrorKind::unsupported,
                {.where = config.where,
                 .found = config.tokenizer_class.empty()
                              ? "no tokenizer_class: vocab.json and merges.txt do not say how words are cut"
                              : fmt::format("{} from vocab.json and merges.txt is not supported",
                                            in_quotes(config.tokenizer_class)),
                 .expected = "\"Qwen2Tokenizer\" or \"GPT2Tokenizer\", or a tokenizer.json"});
  }
  const bool prefix_space = config.add_prefix_space.value_or(false);
  Json root = {{"model", {{"type", "BPE"}}}, {"decoder", {{"type", "ByteLevel"}}}};
  root["model"]["vocab"] = parse_json_object(vocab, vocab_where);
  root["model"]["merges"] = read_merges(merges, merges_where);
  if (qwen2) {
    const Json split = {{"type", "Split"}, {"pattern", {{"Regex", kQwen2Pattern}}}, {"behavior", "Isolated"}};
    root["normalizer"] = {{"type", "NFC"}};
    root["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", {split, byte_level(prefix_space, false)}}};
  } else {
    root["pre_tokenizer"] = byte_level(prefix_space, true);
  }
  TokenizerFile file;
  const JsonView view(root, vocab_where + ": ");
  read_vocabulary(view, file);
  read_pipeline(view, file);
  return file;
}

}  // namespace strata
