// Half-samples without replacement: the resampling of documents.
//
// The mean of a half-sample deviates from the mean of the whole sample with variance s^2/n, which is the
// sampling variance of the whole mean itself (s^2/(n/2) times the finite-population factor 1/2). So the
// deviations need no rescaling, and no document is ever in a resample twice.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/philox.h"

namespace strata::stats {

/// floor(n / 2) distinct indices in [0, n), ascending.
[[nodiscard]] std::vector<std::uint32_t> half_sample(std::size_t n, Philox& rng);

}  // namespace strata::stats
