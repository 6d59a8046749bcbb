// The second half of a block: a dense MLP, or a router, the experts it takes and the shared expert.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/model/attention.h"
#include "strata/model/mlp.h"
#include "strata/model/routing.h"

namespace strata {

struct BlockWeights;

/// What a block has in place of one MLP.
struct MixtureWeights {
  Weight router;  // (experts, d), float32 whatever the dtype of the products
  std::vector<MlpWeights> experts;
  MlpWeights shared;         // undefined without
  WeightVector shared_gate;  // (d), likewise
};

/// One window's rows on their way through it.
struct FeedForwardPass {
  const float* normed = nullptr;  ///< (tokens, d)
  float* branch = nullptr;        ///< likewise: what is added to the residual stream
  std::int64_t tokens = 0;
  const BlockHooks* hooks = nullptr;
};

struct FeedForwardScratch {
  MlpScratch mlp;
  PackedRows router_input;
  // (tokens, experts), 2 x (rows of an expert, d), (tokens)
  std::vector<float> logits, rows, out, shared_gate;
  std::vector<Routing> routing;  // of each window
};

/// Bytes of it, at most, for so many windows of `tokens` at once.
[[nodiscard]] std::uint64_t feed_forward_scratch_bytes(const BlockDescription& block, int tokens,
                                                       std::int64_t windows);

/// The branch of each window; processor only. An expert sees the rows of all windows at once, so that its
/// weights are read once; every row has the bits that it has alone.
void feed_forward(const BlockWeights& w, std::span<const FeedForwardPass> windows,
                  FeedForwardScratch& scratch);

/// What the gradients need of the forward pass, and their scratch. Rows of the experts lie one expert after
/// the other.
struct FeedForwardBackwardScratch {
  FeedForwardScratch forward;
  ExpertRows rows;
  std::vector<float> gate, up;  // (tokens or pairs, width)
  std::vector<float> out;       // (pairs, d): the experts' outputs
  std::vector<float> shared_gate, shared_up, shared_out,
      shared_open;  // of the shared expert; sigmoid of its gate
  std::vector<float> input, d_out, d_rows, d_weight, d_logits;
  PackedRows packed;
  MlpBackwardScratch mlp;
};
[[nodiscard]] std::uint64_t feed_forward_backward_bytes(const BlockDescription& block, int tokens);

/// The forward pass of the normed rows as far as the gradients need it.
void feed_forward_recompute(const BlockWeights& w, const float* normed, std::int64_t tokens,
                            FeedForwardBackwardScratch& scratch);
/// d_normed (tokens, d) = J^T d_branch (tokens, d). The experts that tokens take are held fixed; with
/// `frozen_routing` their weights are too.
void feed_forward_backward(const BlockWeights& w, const float* d_branch, std::int64_t tokens, float* d_normed,
                           bool frozen_routing, FeedForwardBackwardScratch& scratch);

}  // namespace strata
