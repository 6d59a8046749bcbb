// What there is to say about a corpus: how its windows begin, how it is packed, which documents have none.
#pragma once

#include <cstddef>
#include <string>

#include "strata/corpus/corpus.h"

namespace strata {

/// "each window begins with <s> (1); EOS is never added (by add_bos_token true in tokenizer_config.json)"
[[nodiscard]] std::string policy_in_words(const Tokenizer& tokenizer);

/// What follows the policy where documents are packed, beginning with "; "; nothing without packing.
[[nodiscard]] std::string packing_in_words(Packing packing, bool groups);

/// Documents that have no window, with their token counts.
struct LeftOut {
  std::size_t count = 0;
  std::size_t longest = 0;  ///< in tokens
  std::string names;        ///< of the first few

  void add(const std::string& name, std::size_t tokens);
  [[nodiscard]] std::string note(std::size_t fewest, const char* hint) const;
};

}  // namespace strata
