// The block and the head in LibTorch's operations, on whatever device their weights are: what forward_block,
// backward_block, compute_logits and backward_logits do with weights that are not packed. States stay with
// the caller, in the processor's memory.
//
// One call is one window with its own shapes, so what holds for the processor holds here: a window's numbers
// depend on that window alone. They are not the bits of the packed products: sums are added in another
// order, and a bfloat16 product is rounded to bfloat16 where it ends.
#pragma once

#include <cstdint>
#include <span>

#include "strata/model/block.h"
#include "strata/model/head.h"

namespace strata {

/// As forward_block.
void torch_forward_block(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                         std::int64_t tokens, const BlockHooks& hooks);

/// As backward_block, by autograd over the block.
void torch_backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                          std::span<float* const> gradients, std::int64_t tokens);

/// As compute_logits, with normed (rows, d) = final_norm(h).
void torch_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                  float* logits, float* normed);

/// As backward_logits.
void torch_backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                           std::int64_t rows, const float* d_logits, float* d_h);

}  // namespace strata
