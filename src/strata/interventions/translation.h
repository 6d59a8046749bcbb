// translation: h(t) += s m at every ordinary token, m the mean state of the window's ordinary tokens.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention translation_intervention();

}  // namespace strata
