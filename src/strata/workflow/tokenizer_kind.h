// What kind of tokenizer lies beside a checkpoint, without building it.
#pragma once

#include <cstdint>
#include <string>

#include "strata/checkpoint/locate.h"

namespace strata {

struct TokenizerKind {
  std::string kind;         ///< "byte-level BPE", "SentencePiece BPE", ...; empty = there is none
  std::string source;       ///< file or GGUF key that says so
  std::int64_t tokens = 0;  ///< entries of the vocabulary, added tokens left out; 0 = not told
};

/// Looks at tokenizer.json, else tokenizer.model, or at a GGUF file's metadata. Throws Error(bad_file)
/// for a tokenizer.json that is not JSON.
[[nodiscard]] TokenizerKind tokenizer_kind(const ModelLocation& location);

}  // namespace strata
