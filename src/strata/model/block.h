// One decoder block: its weights as float32, and the forward pass of one window through it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/kernels.h"
#include "strata/model/rope.h"

namespace strata {

/// Weights of one block, float32. Products of the same input are fused: q, k, v in one matrix, gate and
/// up in another.
struct BlockWeights {
  at::Tensor attention_norm;    // (d)
  at::Tensor qkv;               // ((heads + 2 kv_heads) * head_dim, d): q rows, then k, then v
  at::Tensor qkv_bias;          // (rows of qkv), undefined without bias
  at::Tensor query_norm;        // (head_dim), undefined without QK-norm
  at::Tensor key_norm;          // (head_dim), likewise
  at::Tensor attention_output;  // (d, heads * head_dim)
  at::Tensor mlp_norm;          // (d)
  at::Tensor gate_up;           // (2 * ffn, d): gate rows, then up
  at::Tensor down;              // (d, ffn)
};

/// Reads one block. Throws what Checkpoint::load throws.
[[nodiscard]] BlockWeights load_block(const Checkpoint& checkpoint, int layer);
[[nodiscard]] std::uint64_t block_bytes(const ModelConfig& config);

/// Scratch of one thread; grows to the largest window it has seen.
struct BlockScratch {
  std::vector<float> normed, qkv, scores, attended, branch, gate_up, ffn;
};

/// Bytes of scratch that one window of `tokens` needs.
[[nodiscard]] std::uint64_t scratch_bytes(const ModelConfig& config, int tokens);

/// Changes the attention probabilities of one query in place: query + 1 keys, which sum to 1 before.
using AttentionEdit = std::function<void(int head, std::int64_t query, float* probability)>;

/// What may look into a block while it computes; nothing by default.
struct BlockHooks {
  const AttentionSums* sums = nullptr;  ///< the attention statistics of every query, added up over the heads
  const AttentionEdit* edit_attention = nullptr;  ///< called for every head and query

  BlockHooks(const AttentionSums* attention_sums = nullptr, const AttentionEdit* edit = nullptr)
      : sums(attention_sums), edit_attention(edit) {}
};

/// h_out = block(h_in) for one window: (tokens, d) row-major, positions 0..tokens-1. h_out may be h_in.
void forward_block(const BlockWeights& weights, const ModelConfig& config, const RopeTable& rope,
                   const float* h_in, float* h_out, std::int64_t tokens, BlockScratch& scratch,
                   const BlockHooks& hooks);

/// out (rows, n) = x (rows, k) * weight^T (n, k); row strides in elements. One thread.
void matmul_nt(const float* x, std::int64_t x_stride, const float* weight, std::int64_t weight_stride,
               float* out, std::int64_t out_stride, std::int64_t rows, std::int64_t n, std::int64_t k);
/// out (rows, n) = x (rows, k) * b (k, n).
void matmul_nn(const float* x, std::int64_t x_stride, const float* b, std::int64_t b_stride, float* out,
               std::int64_t out_stride, std::int64_t rows, std::int64_t n, std::int64_t k);

}  // namespace strata
