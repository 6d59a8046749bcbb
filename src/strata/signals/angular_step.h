// angular_step: mean over tokens of arccos(cos(h_l, h_{l+1})) / pi, in [0, 1]. Gromov et al. 2024,
// arXiv:2403.17887.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal angular_step_signal();

}  // namespace strata
