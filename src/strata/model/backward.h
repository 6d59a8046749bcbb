// Gradients with respect to hidden states: one block and the head, one window at a time. The forward pass
// inside a block is computed again from its input state, so that nothing but the states is kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/model/block.h"
#include "strata/model/head.h"

namespace strata {

/// Scratch of one thread; grows to the largest window it has seen.
struct BackwardScratch {
  std::vector<float> normed, qkv_raw, qkv, d_qkv, attended, ungated, gate, d_gate, d_attended, h_mid, branch,
      d_scores, d_head, no_sin, write_and_step, d_write_and_step;
  PackedRows input, turned;
  PackedMatrix turned_keys, value_rows, block;  // (dim, tokens), (tokens, dim), (dim, queries)
  AttentionScratch attention;
  DeltaBackwardScratch delta;
  FeedForwardBackwardScratch feed_forward;
};

struct BackwardOptions {
  /// The weights of the experts that a token takes are constants, not functions of the state. Which experts
  /// it takes always is held fixed.
  bool frozen_routing = false;
};

/// Bytes of scratch that one window of `tokens` needs.
[[nodiscard]] std::uint64_t backward_scratch_bytes(const ModelConfig& config, int tokens);

/// For each of `gradients`, (tokens, d) row-major: replaces d/dh_out by d/dh_in at h_in = `h` (tokens, d),
/// for h_out = forward_block(h_in). The forward pass is computed once for all of them. One thread.
void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                    std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                    const BackwardOptions& options = {});

/// d_h (rows, d) = J^T d_logits (rows, vocab) for logits = compute_logits(h), rows <= kLogitRows.
void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                     const float* d_logits, float* d_h, LogitScratch& scratch);

}  // namespace strata
