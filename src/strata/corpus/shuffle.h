// The same text with its tokens in another order: a null for everything that is said to come from the text.
#pragma once

#include <cstdint>

#include "strata/corpus/corpus.h"

namespace strata {

struct SampleOptions {
  int documents = 0;        ///< at most this many, spread evenly over the text; 0 = all
  std::int64_t tokens = 0;  ///< at most this many in all, but at least one window; 0 = all
  int window = 0;           ///< windows are cut into pieces of at most this many tokens; 0 = as they are
};

/// Whole windows of a part of the text: the first of each document, then the second, and so on, until the
/// next would be one token too many. A cut window's pieces begin with the text's prefix (BOS), too; a last
/// piece shorter than kMinWindowTokens is left out.
[[nodiscard]] Corpus sample_windows(const Corpus& corpus, const SampleOptions& options);

/// Tokens permuted within each document, over its windows; position 0 of every window and the text's prefix
/// stay where they are. A document's order depends on the seed and its number alone.
[[nodiscard]] Corpus shuffle_tokens(const Corpus& corpus, std::uint64_t seed);

}  // namespace strata
