// expert_drop: one expert of a mixture adds nothing to the tokens that take it; routes and the weights of the
// other experts stay as they are. A curve for each expert.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention expert_drop_intervention();

}  // namespace strata
