// One decoder block: its weights, packed for the products, and the forward pass of one window through it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/attention.h"
#include "strata/model/kernels.h"
#include "strata/model/product.h"
#include "strata/model/rope.h"
#include "strata/model/weight.h"

namespace strata {

/// What one block computes, and its weights, all of one backend: matrices in the dtype of the products,
/// vectors in float32.
struct BlockWeights {
  BlockDescription block;
  WeightVector attention_norm;                 // (d)
  Weight qkv;                                  // ((heads + 2 kv_heads) * head_dim, d): q rows, then k, then v
  WeightVector qkv_bias;                       // (rows of qkv), undefined without bias
  WeightVector query_norm;                     // (head_dim), undefined without QK-norm
  WeightVector key_norm;                       // (head_dim), likewise
  Weight attention_output;                     // (d, heads * head_dim)
  WeightVector output_bias;                    // (d), undefined without bias
  WeightVector mlp_norm;                       // (d)
  Weight gate, up;                             // (ffn, d)
  Weight down;                                 // (d, ffn)
  WeightVector gate_bias, up_bias, down_bias;  // (ffn), (ffn), (d); undefined without bias

  [[nodiscard]] ComputeDType dtype() const { return qkv.dtype(); }
};

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
  std::vector<float> normed, qkv, attended, branch, gate, up;
  PackedRows input, hidden;
  AttentionScratch attention;
};

/// Bytes of scratch that one window of `tokens` needs, at most.
[[nodiscard]] std::uint64_t scratch_bytes(const ModelConfig& config, int tokens);

/// h_out = block(h_in) for one window: (tokens, d) row-major, positions 0..tokens-1. h_out may be h_in.
void forward_block(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                   std::int64_t tokens, BlockScratch& scratch, const BlockHooks& hooks);

/// In rows of q, k and v: biases; head norms (QK-norm), where the block has them; rotation of q and k, and
/// the factors of the queries, where it has positions.
void add_qkv_bias(const BlockWeights& weights, float* qkv, std::int64_t tokens);
void normalise_and_rotate(const BlockWeights& weights, const RopeTable& rope, float* qkv,
                          std::int64_t tokens);

}  // namespace strata
