// Multiply-adds (times two) of the matrix products, from counts alone: what plans and prices are made of.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/sweep/lanes.h"

namespace strata {

/// Of one token through one block (the mean over the blocks: experts that are taken, attention where there is
/// some) that sees `keys` keys, and through the head.
[[nodiscard]] double block_flops(const ModelConfig& config, double keys);
[[nodiscard]] double head_flops(const ModelConfig& config);

/// Of a forward pass with logits over `tokens` tokens of windows like this text's.
[[nodiscard]] double forward_flops(const SweepContext& context, std::int64_t tokens);
/// Of a lane that forks at `fork`, for each token.
[[nodiscard]] double lane_token_flops(const SweepContext& context, int fork);
/// Of the backward sweep over `tokens` tokens: forward, the same again, and one for each draw of the labels.
[[nodiscard]] double backward_flops(const SweepContext& context, std::int64_t tokens, int draws);

[[nodiscard]] std::int64_t tokens_of(const std::vector<LaneWindow>& sample);

}  // namespace strata
