// adjacent_swap: blocks l and l + 1 change places.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention adjacent_swap_intervention();

}  // namespace strata
