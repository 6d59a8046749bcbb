// One decoder block: its weights, packed for the products, and the forward pass of one window through it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/attention.h"
#include "strata/model/delta_rule.h"
#include "strata/model/feed_forward.h"
#include "strata/model/kernels.h"
#include "strata/model/product.h"
#include "strata/model/rope.h"
#include "strata/model/weight.h"

namespace strata {

/// Of a gated delta rule.
struct DeltaWeights {
  Weight qkv;             // (2 key_heads key_dim + value_heads value_dim, d): q of all heads, then k, then v
  Weight gate;            // (value_heads value_dim, d)
  Weight write_and_step;  // (2 value_heads, d)
  WeightVector convolution;  // (rows of qkv, kernel), the last tap on the present token
  WeightVector decay;        // (value_heads)
  WeightVector step_bias;    // (value_heads)
  WeightVector norm;         // (value_dim)
  Weight output;             // (d, value_heads value_dim)
};

/// What one block computes, and its weights, all of one backend: matrices in the dtype of the products,
/// vectors in float32. What the block does not have is undefined.
struct BlockWeights {
  BlockDescription block;
  WeightVector attention_norm;  // (d)
  Weight qkv;                   // ((heads + 2 kv_heads) * head_dim, d): q rows, then k, then v
  WeightVector qkv_bias;        // (rows of qkv)
  Weight query_gate;            // (heads * head_dim, d)
  WeightVector query_norm;      // (head_dim)
  WeightVector key_norm;        // (head_dim)
  Weight attention_output;      // (d, heads * head_dim)
  WeightVector output_bias;     // (d)
  DeltaWeights delta;
  WeightVector mlp_norm;  // (d)
  MlpWeights mlp;         // of a dense block
  MixtureWeights mixture;

  [[nodiscard]] const Backend& backend() const { return qkv.defined() ? qkv.backend() : delta.qkv.backend(); }
  [[nodiscard]] ComputeDType dtype() const { return qkv.defined() ? qkv.dtype() : delta.qkv.dtype(); }
};

/// The matrices that a quantizer rounds: all but the router and what is left in float32 beside it.
[[nodiscard]] std::vector<Weight*> matrices_of(BlockWeights& weights);
/// The others: float32 whatever the dtype of the products.
[[nodiscard]] std::vector<Weight*> exact_matrices_of(BlockWeights& weights);

/// Reads one block. Matrices are packed as they are read: no second copy is made, and bfloat16
/// weights are kept as they are with ComputeDType::bfloat16. Throws what Checkpoint::load throws.
[[nodiscard]] BlockWeights load_block(const Checkpoint& checkpoint, int layer, Compute compute = {});
/// Of the largest block.
[[nodiscard]] std::uint64_t block_bytes(const ModelConfig& config,
                                        ComputeDType dtype = ComputeDType::float32);

/// Matrices of the same input stacked along their rows. `layer` as in Checkpoint::load.
[[nodiscard]] Weight load_weight(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer,
                                 Compute compute);

/// Scratch of one thread; grows to the largest window it has seen.
struct BlockScratch {
  std::vector<float> normed, qkv, gate, write_and_step, attended, branch;
  PackedRows input;
  AttentionScratch attention;
  DeltaScratch delta;
  FeedForwardScratch feed_forward;
};

/// Windows of `tokens` that are worth sending through a block together: 1 but for mixtures of experts.
[[nodiscard]] std::size_t windows_together(const ModelConfig& config, std::int64_t tokens);
/// Bytes of scratch that windows_together() windows of `tokens` need, at most.
[[nodiscard]] std::uint64_t scratch_bytes(const ModelConfig& config, int tokens);

/// One window on its way through a block.
struct BlockPass {
  const float* h_in = nullptr;  ///< (tokens, d) row-major, positions 0..tokens-1
  float* h_out = nullptr;       ///< likewise; may be h_in
  std::int64_t tokens = 0;
  BlockHooks hooks = {};
};

/// h_out = block(h_in) for each of the windows, with the bits that each has alone; one thread. The experts of
/// a mixture see the rows of all of them at once, so that their weights are read once.
void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                   BlockScratch& scratch);

/// The same for one window.
void forward_block(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                   std::int64_t tokens, BlockScratch& scratch, const BlockHooks& hooks);

/// The vectors of a block with the delta rule, and the rows of its products.
[[nodiscard]] DeltaParameters delta_parameters(const BlockWeights& weights);
[[nodiscard]] DeltaInput delta_input(const BlockWeights& weights, const float* qkv, const float* gate,
                                     const float* write_and_step, std::int64_t tokens);

/// In rows of q, k and v: biases; head norms (QK-norm), where the block has them; rotation of q and k, and
/// the factors of the queries, where it has positions.
void add_qkv_bias(const BlockWeights& weights, float* qkv, std::int64_t tokens);
void normalise_and_rotate(const BlockWeights& weights, const RopeTable& rope, float* qkv,
                          std::int64_t tokens);

}  // namespace strata
