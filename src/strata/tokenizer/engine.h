// The engines behind Tokenizer: a stretch of text to ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

class TextEngine {
 public:
  TextEngine() = default;
  virtual ~TextEngine() = default;
  TextEngine(const TextEngine&) = delete;
  TextEngine& operator=(const TextEngine&) = delete;
  /// Appends the ids of a stretch between added tokens (valid UTF-8, not empty). `at_start` says that it
  /// begins the text. Throws MissingByte, which points into the stretch, for a byte that has no token. May be
  /// called by several threads at once.
  virtual void encode(std::string_view stretch, bool at_start, std::vector<std::int32_t>& ids) const = 0;
};

/// Byte-level BPE: NFC, patterns, merges. `where` names the file.
[[nodiscard]] std::unique_ptr<TextEngine> make_byte_engine(const TokenizerFile& file,
                                                           const std::string& where);
/// SentencePiece-style BPE: spaces to U+2581, characters, byte fallback, merges.
[[nodiscard]] std::unique_ptr<TextEngine> make_character_engine(const TokenizerFile& file,
                                                                const std::string& where);
/// What libsentencepiece does with a tokenizer.model. `file` has SentencePieceRules.
[[nodiscard]] std::unique_ptr<TextEngine> make_sentencepiece_engine(const TokenizerFile& file);
/// The one of these that `file` asks for.
[[nodiscard]] std::unique_ptr<TextEngine> make_engine(const TokenizerFile& file, const std::string& where);

}  // namespace strata
