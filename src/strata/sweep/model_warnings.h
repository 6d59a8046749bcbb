// What a reader must know of the model's own state: weights that carry nothing, a loss no better than chance.
#pragma once

#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"

namespace strata {

/// One sentence where some weights are of no use: matrices whose values are all equal (zero or not), norms
/// and embeddings of zeros. Of the tensors that were loaded so far. Biases of zeros and norms of ones are
/// normal.
[[nodiscard]] std::vector<std::string> weight_warnings(const Checkpoint& checkpoint);

/// A sentence where `nll_nats`, the mean over scored positions, is not below ln(vocab); else nothing.
[[nodiscard]] std::vector<std::string> loss_warnings(double nll_nats, int vocab);

}  // namespace strata
