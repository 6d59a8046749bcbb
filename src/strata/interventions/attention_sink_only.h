// attention_sink_only: A = (1 - s) A + s S in every head of a block, S the attention A to the sink tokens,
// renormalised: nothing is read from ordinary tokens, the query's own included unless it is a sink.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention attention_sink_only_intervention();

}  // namespace strata
