// lens_entropy and lens_kl: the logit lens (nostalgebraist 2020). q_l = softmax(W_U norm(h_l));
// lens_entropy is its entropy, lens_kl is KL(p_final || q_l), both in nats, at sampled positions.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

[[nodiscard]] Signal lens_signal();

}  // namespace strata
