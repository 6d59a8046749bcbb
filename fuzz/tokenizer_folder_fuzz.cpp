// vocab.json, merges.txt and tokenizer_config.json, with zero bytes between them and before a text to encode.
#include <array>
#include <string>

#include "fuzz/expect.h"
#include "fuzz/targets.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/utf8.h"
#include "strata/tokenizer/vocab_merges.h"

namespace strata::fuzz {
namespace {

std::string byte_vocabulary(std::string_view rest) {
  std::string text = "{";
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    append_utf8(token, byte_level_character(static_cast<unsigned char>(byte)));
    if (token == "\"" || token == "\\") token.insert(0, 1, '\\');
    text += (byte == 0 ? "\"" : ",\"") + token + "\":" + std::to_string(byte);
  }
  return text += rest;
}

}  // namespace

void tokenizer_folder(std::string_view input) {
  std::array<std::string, 4> parts;  // vocabulary, merges, configuration, text
  std::size_t part = 0;
  for (const char c : input) {
    if (c == '\0' && part + 1 < parts.size()) {
      ++part;
    } else {
      parts[part] += c;
    }
  }
  if (!parts[0].starts_with('{')) parts[0] = byte_vocabulary(parts[0]);
  if (parts[2].empty()) parts[2] = R"({"tokenizer_class":"Qwen2Tokenizer"})";
  expect_error_at_most([&] {
    const HuggingFaceConfig config = parse_hugging_face_config(parts[2], "tokenizer_config.json");
    TokenizerFile file = parse_vocab_merges(parts[0], "vocab.json", parts[1], "merges.txt", config);
    apply_hugging_face_config(config, file);
    const auto engine = make_engine(file, "vocab.json");
    if (parts[3].empty() || invalid_utf8_offset(parts[3])) return;
    std::vector<std::int32_t> ids;
    try {
      engine->encode(parts[3], true, ids);
    } catch (const MissingByte&) {  // a vocabulary may lack bytes; Tokenizer makes an Error of it
    }
  });
}

}  // namespace strata::fuzz
