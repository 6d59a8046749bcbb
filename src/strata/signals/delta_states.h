// What the states of the gated delta rule do (Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464), mean over
// value heads and tokens; the statistics are DeltaSums':
//   delta_memory: tokens that the state holds, sum over j <= i of e^(g of j + 1, ..., i); at most i + 1, so
//     that a window's first tokens hold it down, whatever the gates;
//   delta_write: beta, the share of the correction that a token writes;
//   delta_surprise: |v - S^T k| / |v|, the share of the value that the decayed state did not predict.
// The definitions of memory and surprise are strata's.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal delta_states_signal();

}  // namespace strata
