// zero_ablation: h(t) = (1 - s) h(t) at every ordinary token.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention zero_ablation_intervention();

}  // namespace strata
