#include "strata/tokenizer/tokenizer_file.h"

#include <fmt/format.h>

#include "strata/tokenizer/tokenizer_file_parts.h"
#include "strata/tokenizer/utf8.h"

namespace strata {

TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& where) {
  const nlohmann::json parsed = parse_json_object(json, where);
  const JsonView root(parsed, where + ": ");
  // tokenizers reads no other.
  if (root.has("version") && root.at("version").string() != "1.0")
    root.at("version").unsupported("version " + in_quotes(root.at("version").string()), "\"1.0\"");
  TokenizerFile file;
  read_vocabulary(root, file);
  read_pipeline(root, file);
  return file;
}

ByteIds byte_fallback_ids(const StringMap<std::int32_t>& vocab) {
  ByteIds ids{};
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    const auto found = vocab.find(fmt::format("<0x{:02X}>", byte));
    ids[byte] = found == vocab.end() ? -1 : found->second;
  }
  return ids;
}

std::optional<unsigned char> missing_byte(const ByteIds& ids) {
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    if (byte == 0xc0 || byte == 0xc1 || byte >= 0xf5) continue;
    if (ids[byte] < 0) return static_cast<unsigned char>(byte);
  }
  return std::nullopt;
}

std::string spelled_bytes(std::string_view token, TokenAlphabet alphabet) {
  if (alphabet == TokenAlphabet::bytes) return byte_level_bytes(token).value_or(std::string(token));
  if (const auto byte = fallback_byte(token)) return std::string(1, static_cast<char>(*byte));
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const bool space = token.substr(at).starts_with(kSpaceMark);
    bytes += space ? ' ' : token[at];
    at += space ? kSpaceMark.size() : 1;
  }
  return bytes;
}

std::optional<unsigned char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
    value = value * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return static_cast<unsigned char>(value);
}

}  // namespace strata
