// The accumulator of matrix_entropy, participation_ratio and effective_rank: all three, of rows divided by
// their RMS and of raw ones, come from the Gram matrices of the same sampled rows of each document.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal spectrum_signal();

}  // namespace strata
