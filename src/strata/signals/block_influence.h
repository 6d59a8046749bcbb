// block_influence: 1 - mean over tokens of cos(h_l, h_{l+1}), in [0, 2]. ShortGPT, Men et al. 2024,
// arXiv:2403.03853.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal block_influence_signal();

}  // namespace strata
