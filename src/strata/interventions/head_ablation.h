// head_ablation: the output of one attention head times 1 - s; one curve for each head.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention head_ablation_intervention();

}  // namespace strata
