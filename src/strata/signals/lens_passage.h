// The accumulator of lens_passage: the most likely next token and its probability by the logit lens
// (nostalgebraist 2020), at every state and each of the first positions of one window. It is for people to
// look at and enters no number.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

inline constexpr std::int64_t kPassageTokens = 40;

/// Of the first window of the first document. Equal logits: the token with the smallest id.
[[nodiscard]] Signal lens_passage_signal();

}  // namespace strata
