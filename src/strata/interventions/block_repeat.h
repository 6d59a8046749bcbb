// block_repeat: block l runs 1 + s times in a row, s a whole number.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention block_repeat_intervention();

}  // namespace strata
