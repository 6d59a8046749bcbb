// block_skip: h_{l+1} = (1 - s) block(h_l) + s h_l; strength 1 leaves the block out.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention block_skip_intervention();

}  // namespace strata
