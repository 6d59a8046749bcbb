// scaling: h(t) *= 1 + s at every ordinary token. The norm before a block undoes it; what is left is that all
// later blocks write on a larger residual.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention scaling_intervention();

}  // namespace strata
