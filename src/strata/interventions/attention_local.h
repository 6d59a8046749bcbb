// attention_local: A = (1 - s) A + s W in every head of a block, W the attention A to the sink tokens and to
// the last 16 keys (the query's own included), renormalised: nothing is read from ordinary tokens further
// back. Sinks stay because taking them away breaks a model by itself (attention_sink_only shows their part).
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

[[nodiscard]] Intervention attention_local_intervention();

}  // namespace strata
