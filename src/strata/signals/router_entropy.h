// router_entropy: mean over tokens of -sum p ln p / ln(experts) over the router's probabilities of all
// experts, in [0, 1]: 1 where it prefers none, 0 where it is sure. Strata's definition.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal router_entropy_signal();

}  // namespace strata
