// How a base model's states become the one vector that it is used for: the embedding of a text.
#pragma once

#include <string>

#include "strata/checkpoint/checkpoint.h"

namespace strata {

/// Which tokens' states, after the final norm, make the embedding of a window.
enum class Pooling {
  last_token,   ///< the last one, which alone has seen the whole text of a causal model
  mean,         ///< the mean over all tokens
  first_token,  ///< the first one ("cls")
};
[[nodiscard]] const char* to_string(Pooling pooling);

struct PoolingChoice {
  Pooling pooling = Pooling::last_token;
  std::string source;  ///< "1_Pooling/config.json", or "strata's default"
};

/// What 1_Pooling/config.json of sentence-transformers says where it lies beside the model; the last token
/// where there is none. Throws Error(unsupported) for another pooling and for more than one of them, and
/// Error(bad_file) for a file that is not what it claims.
[[nodiscard]] PoolingChoice read_pooling(const Checkpoint& checkpoint);

}  // namespace strata
