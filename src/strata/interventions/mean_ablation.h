// mean_ablation: h(t) = (1 - s) h(t) + s m at every ordinary token, m the mean state of the window's ordinary
// tokens: what a token holds of its own is taken away.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention mean_ablation_intervention();

}  // namespace strata
