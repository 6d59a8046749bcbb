// The accumulator of covariance_spectrum: of each state, the spectrum of the covariance of tokens scaled to
// their own RMS.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal covariance_spectrum_signal();

}  // namespace strata
