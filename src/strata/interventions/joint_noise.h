// joint_noise: relative_noise at every input state of a segment's n blocks at once, each with strength
// eps / sqrt(n): the power of the noise is divided by the number of states. The noise of a state is the one
// that relative_noise draws there.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention joint_noise_intervention();

}  // namespace strata
