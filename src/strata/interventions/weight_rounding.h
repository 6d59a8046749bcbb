// weight_rounding: the matrices of a block rounded to b bits, the nearest of 2^b - 1 equidistant values that
// are symmetric about 0, in groups of 32 along a row (round-to-nearest, weights only; norms, biases and
// embeddings stay). The strength is the distance of those values in units of the group's largest: s = 1 /
// (2^(b-1) - 1).
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention weight_rounding_intervention();

}  // namespace strata
