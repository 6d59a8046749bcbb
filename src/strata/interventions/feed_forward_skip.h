// feed_forward_skip: the block without its second half, h' = h + mixer(norm(h)): MLP, or mixture of experts,
// left out.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention feed_forward_skip_intervention();

}  // namespace strata
