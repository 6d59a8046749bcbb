// What a tokenizer.json says, checked and reduced to what strata runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/bpe.h"

namespace strata {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool normalized = false;  ///< looked for in the normalised text rather than in the original
};

/// One file, validated: ids distinct and below `vocab_size`, merges between known tokens, every byte
/// that occurs in UTF-8 spelled by a token.
struct TokenizerFile {
  StringMap<std::int32_t> vocab;  ///< token as the file spells it (byte-level alphabet) -> id
  std::vector<BpeMerge> merges;   ///< by rank
  bool ignore_merges = false;     ///< a word that is a token is that token
  std::vector<AddedToken> added;
  std::int32_t vocab_size = 0;  ///< one past the largest id

  bool nfc = false;
  std::vector<std::string> split_patterns;  ///< applied one after the other, as the file spells them
  std::vector<std::string> split_where;     ///< file and key of each
  bool add_prefix_space = false;            ///< ByteLevel puts a space before a piece that has none ...
  bool byte_level_split = false;            ///< ... and then cuts it with GPT-2's pattern
  std::vector<std::int32_t> prefix;         ///< ids before every text (template of the post-processor)
  std::vector<std::int32_t> suffix;         ///< and after it
};

/// Throws Error(bad_file) naming file and key, Error(unsupported) naming the component. "truncation" and
/// "padding" are about batches, not about the ids of a text, and are ignored, as transformers does.
[[nodiscard]] TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& where);

}  // namespace strata
