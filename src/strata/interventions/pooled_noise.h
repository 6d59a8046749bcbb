// pooled_noise: h(t) += eps R xi(t) at every ordinary token, xi ~ N(0, I), R the RMS of the state pooled over
// all tokens of the window. A few sink tokens with massive activations decide R, so that ordinary tokens may
// get several times the noise that eps says: for comparison with relative_noise.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention pooled_noise_intervention();

}  // namespace strata
