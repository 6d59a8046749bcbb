// update_ratio: median over tokens of |h_{l+1} - h_l| / |h_l|, at least 0.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal update_ratio_signal();

}  // namespace strata
