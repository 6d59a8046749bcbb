// window_edge: share of the attention on the oldest eighth of a sliding window's keys (at least one) over
// what a uniform spread has there, mean over heads and over the queries that see a whole window; all keys,
// sinks among them. 1 = uniform; near 0 the window does not bind, well above 1 it cuts off what attention
// looks for. Strata's definition.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal window_edge_signal();

}  // namespace strata
