// routed_noise: relative_noise with the routing of the clean run held fixed in every block behind the state.
// Beside relative_noise, of the same noise, it says what of the damage goes through tokens that change their
// experts.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention routed_noise_intervention();

}  // namespace strata
