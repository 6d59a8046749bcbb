// attention_uniform: A = (1 - s) A + s U in every head of a block, U the same weight for every key the query
// sees.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention attention_uniform_intervention();

}  // namespace strata
