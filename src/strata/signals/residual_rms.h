// residual_rms: median over tokens of rms(h) = |h| / sqrt(d). A control, never fused; a median, because
// massive activations make the pooled RMS many times too large for ordinary tokens.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal residual_rms_signal();

}  // namespace strata
