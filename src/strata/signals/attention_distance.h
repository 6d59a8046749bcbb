// attention_distance: per head and query, sum A|t-i| / mean |t-i| over the visible keys, so that uniform
// causal attention gives 1; mean over heads and queries at position 64 or later.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal attention_distance_signal();

}  // namespace strata
