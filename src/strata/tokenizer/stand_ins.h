// The categories of a tokenizer's own Unicode version, on top of PCRE2's tables.
//
// Hugging Face's tokenizers cut with Oniguruma's Unicode 16.0, llama.cpp with its tables of 15.1, PCRE2 10.42
// with Unicode 14. Before a text is matched, each character whose category is another one in the engine's
// version is replaced by an older character of the right category that has as many bytes, so that word ends
// stay where they are. Texts without such characters are matched as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// Whose Unicode tables a pattern follows.
enum class UnicodeTables : std::uint8_t {
  tokenizers,  ///< 16.0: Oniguruma in Hugging Face's tokenizers
  llama_cpp,   ///< 15.1: unicode-data.cpp of llama.cpp
};

class StandIns {
 public:
  /// A range that `pattern` spells out holds a character and its stand-in, or neither.
  StandIns(UnicodeTables tables, std::string_view pattern);
  /// `text` (valid UTF-8) with stand-ins; nothing where it needs none. Error(unsupported) for a character
  /// that has no stand-in for this pattern; `where` names the pattern.
  [[nodiscard]] std::optional<std::string> replace(std::string_view text, const std::string& where) const;

 private:
  struct Range {
    char32_t first, last, stand_in;  // stand_in 0: none
  };
  [[nodiscard]] const Range* find(char32_t c) const;
  std::vector<Range> ranges_;  // sorted
  std::vector<bool> pages_;    // of 256 characters: whether any range reaches into it
};

/// Whether a character takes part in canonical ordering or composition but is newer than Unicode 9, which the
/// normalizers of Hugging Face's tokenizers follow: they leave it where it is.
[[nodiscard]] bool composes_since_unicode_9(char32_t c);

}  // namespace strata
