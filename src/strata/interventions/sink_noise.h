// sink_noise: relative_noise on the sink tokens alone (position 0 and massive activations).
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention sink_noise_intervention();

}  // namespace strata
