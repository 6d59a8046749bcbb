// attention_entropy: per head and query, -sum A ln A / ln(number of keys), 0 for one key, 1 for uniform
// attention; mean over heads and queries at position 64 or later.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal attention_entropy_signal();

}  // namespace strata
