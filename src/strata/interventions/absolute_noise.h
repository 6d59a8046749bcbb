// absolute_noise: h(t) += eps xi(t) at every ordinary token, xi ~ N(0, I), eps in residual units. A model
// with a larger residual looks more robust under it, whatever its function: for comparison with
// relative_noise.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention absolute_noise_intervention();

}  // namespace strata
