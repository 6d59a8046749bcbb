// How a document's tokens share the experts, from the (token, slot) pairs of the experts taken; n of E
// experts have some pairs, each token takes k of them, N pairs in all:
//   expert_load_evenness: entropy of the shares of the pairs, over ln E; 1 = all experts get as many.
//     The entropy of a sample is too small by about (E - k) / 2N: Miller and Madow's (E - 1) / 2N (Miller
//     1955, "Note on the bias of information estimates") with the variance of a share p of pairs drawn k at a
//     time without replacement, p (1 - k p) / N, in place of p (1 - p) / N. Added as in theirs with the n
//     experts seen in place of E, so that experts that are never taken add nothing; what is left of the bias
//     is of the experts that few pairs missed by chance, and of neighbouring tokens that take the same
//     experts. Not clipped: even loads give 1 on average;
//   expert_switching: total variation distance between the loads of the first and the second half of the
//     document's tokens, in [0, 1]; 0 = the same experts serve both. Few tokens alone make it positive, by
//     about sum sqrt(p (1 - k p) / (pi N / 2)):
//   expert_switching_shuffled: the same of halves that are drawn at random from the document's tokens, mean
//   of
//     8 draws. What expert_switching exceeds it by is the text's.
// Strata's definitions.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal expert_load_signal();

}  // namespace strata
