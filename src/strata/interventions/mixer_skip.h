// mixer_skip: the block without its first half, h' = h + feed_forward(norm(h)): attention, or the delta rule,
// left out.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention mixer_skip_intervention();

}  // namespace strata
