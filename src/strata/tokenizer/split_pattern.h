// The regular expression that cuts a text into words before any merge.
//
// Published files are written for Oniguruma (what Hugging Face's tokenizers runs); strata runs PCRE2.
// The two agree on a subset of the syntax, and only that subset is accepted; \s is spelled out because
// PCRE2's has U+180E, which Unicode's White_Space (and Oniguruma) has not.
// \p{...} follows the Unicode version of the engine that the file was written for (stand_ins.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "strata/tokenizer/stand_ins.h"

namespace strata {

/// A compiled pattern with the behaviour "Isolated": matches and the stretches between them are words.
/// Immutable, safe to share between threads.
class SplitPattern {
 public:
  /// Throws Error(bad_file) for a broken pattern, Error(unsupported) naming the construct for one that
  /// the two engines could read differently. `where` names file and key.
  SplitPattern(std::string_view pattern, const std::string& where,
               UnicodeTables tables = UnicodeTables::tokenizers);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;
  SplitPattern& operator=(SplitPattern&&) noexcept;

  /// Calls `on_word` for every non-empty word of `text` (valid UTF-8), in order; together they are `text`.
  void split(std::string_view text, const std::function<void(std::string_view)>& on_word) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The pattern in PCRE2's syntax, or Error(unsupported) naming the construct. Public for its tests.
[[nodiscard]] std::string to_pcre2(std::string_view pattern, const std::string& where);

/// What ByteLevel splits with when use_regex is true (GPT-2's encoder.py).
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace strata
