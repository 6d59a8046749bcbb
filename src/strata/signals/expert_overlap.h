// expert_overlap: mean cosine between the outputs of the experts that a token takes, over all pairs of them
// and then over tokens, in [-1, 1]; before their weights, without the shared expert. 1 = they say the same, 0
// = directions that have nothing to do with each other. With S the sum of the k outputs at unit length it is
// (|S|^2 - k) / (k (k - 1)). Strata's definition. Undefined where a token takes one expert.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal expert_overlap_signal();

}  // namespace strata
