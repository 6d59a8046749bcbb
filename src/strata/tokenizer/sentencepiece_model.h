// tokenizer.model with what stands around it in tokenizer_config.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// What tokenizer_config.json adds to a tokenizer.model; the defaults are those of transformers'
/// LlamaTokenizer.
struct SentencePiecePolicy {
  bool add_bos = true;
  bool add_eos = false;
  bool legacy = true;             ///< every stretch between added tokens gets a space, not the first alone
  std::vector<AddedToken> added;  ///< beyond the pieces; ids follow theirs without a gap
};

/// Throws Error(bad_file) or Error(unsupported) naming file and key.
[[nodiscard]] SentencePiecePolicy parse_tokenizer_config(std::string_view json, const std::string& where);

/// `bytes` is the file. Throws Error(bad_file) naming the field that is wrong, Error(unsupported) for a model
/// whose ids would not be exactly those of libsentencepiece.
[[nodiscard]] TokenizerFile read_sentencepiece(std::string_view bytes, const SentencePiecePolicy& policy,
                                               const std::string& where);

}  // namespace strata
