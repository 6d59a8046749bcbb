// Networks with planted boundaries and networks with random weights, for `calibrate`.
#pragma once

#include "strata/calibration/calibrate.h"

namespace strata {

/// A network has 64 dimensions and reads 32 windows of 128 random tokens, two in each of 16
/// documents; the record holds the signals that the fused detector sees at a bearable cost. Networks are run
/// one at a time on `threads` threads; those asked for twice are run once.
[[nodiscard]] NetworkSource planted_networks(int replicates, int threads);

}  // namespace strata
