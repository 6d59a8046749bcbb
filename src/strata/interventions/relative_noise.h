// relative_noise: h(t) += eps rms(h(t)) xi(t) at every ordinary token, xi ~ N(0, I). Noise relative to
// each token's own RMS, because under absolute noise a large residual looks robust.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention relative_noise_intervention();

}  // namespace strata
