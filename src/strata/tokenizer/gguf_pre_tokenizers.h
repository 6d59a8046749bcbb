// What tokenizer.ggml.pre says: how llama.cpp cuts words, by name.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace strata {

struct GgufPreTokenizer {
  std::string_view name;
  bool ignore_merges;
  bool add_bos;                              ///< unless tokenizer.ggml.add_bos_token says otherwise
  std::array<std::string_view, 6> patterns;  ///< one after the other; empty ones are none
};

/// The one of this name; null when strata has it not.
[[nodiscard]] const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name);

/// "one of ..." with all names, for messages.
[[nodiscard]] std::string gguf_pre_tokenizer_names();

}  // namespace strata
