// The edited copy of a block's weights that a lane at the site "weights" runs on.
#pragma once

#include "strata/interventions/intervention.h"
#include "strata/model/block.h"

namespace strata {

/// A copy of `weights` whose matrices went through the intervention row by row; norms and biases are shared
/// with the original. Threads change nothing but speed.
[[nodiscard]] BlockWeights edited_weights(const BlockWeights& weights, const Intervention& intervention,
                                          double strength, int threads);

}  // namespace strata
