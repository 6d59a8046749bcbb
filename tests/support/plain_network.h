// The network written a second time, in float64 by plain loops over Hugging Face's tensors: slow, and
// independent of strata's kernels. States, edits and (by finite differences) gradients are compared with it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/model/block.h"
#include "strata/model/head.h"

namespace strata::test {

struct PlainMlp {
  Matrix gate, up, down;
  std::vector<double> gate_bias, up_bias, down_bias;
};

/// What a block does inside. What it does not have stays empty.
struct PlainLooks {
  Matrix probability, taken;       // (tokens, experts): the router's; weights, 0 = not taken
  std::vector<Matrix> expert_out;  // of each expert (tokens, d), for every token; of a dropped one empty
  Matrix decay, strength, memory, unexpected, magnitude;  // (tokens, value heads); the last two are squares
};

/// One block, as BlockWeights. What the block does not have is empty.
struct PlainBlock {
  BlockDescription block;
  std::vector<double> attention_norm, qkv_bias, output_bias, query_norm, key_norm, mlp_norm;
  Matrix qkv, query_gate, attention_output;
  Matrix delta_qkv, delta_gate, delta_write_and_step, delta_convolution, delta_output;
  std::vector<double> delta_decay, delta_step_bias, delta_norm;
  PlainMlp mlp, shared;
  Matrix router;
  std::vector<double> shared_gate;
  std::vector<PlainMlp> experts;
  Matrix routes;            // (tokens, experts): weights in place of the router's; empty = the router's
  int dropped_expert = -1;  // adds nothing
  bool skip_mixer = false, skip_feed_forward = false;
  PlainLooks* looks = nullptr;  // filled by forward
};
[[nodiscard]] PlainBlock plain_block(const Checkpoint& checkpoint, int layer);
/// From whatever backend holds them.
[[nodiscard]] PlainBlock plain_block(const BlockWeights& weights);

/// Cosine and sine of every position (tokens, head_dim/2), and the factor of its query.
struct PlainPositions {
  Matrix cos, sin;
  std::vector<double> query_scale;
};
[[nodiscard]] PlainPositions plain_positions(const ModelConfig& config, std::int64_t tokens);
/// The values of a table.
[[nodiscard]] PlainPositions plain_positions(const RopeTable& rope, std::int64_t tokens);

/// Sees, and may change, the attention probabilities of one head: (queries, keys).
using SeeAttention = std::function<void(int head, Matrix& probability)>;

/// One block on h (tokens, d), positions 0..tokens-1.
[[nodiscard]] Matrix forward(const PlainBlock& block, const ModelConfig& config, const Matrix& h,
                             const SeeAttention& see = {});
[[nodiscard]] Matrix forward(const PlainBlock& block, const PlainPositions& positions, const Matrix& h,
                             const SeeAttention& see = {});

struct PlainHead {
  std::vector<double> final_norm;
  Matrix unembedding;
};
[[nodiscard]] PlainHead plain_head(const Checkpoint& checkpoint);
[[nodiscard]] PlainHead plain_head(const HeadWeights& head);
/// Logits (tokens, vocab) of state L.
[[nodiscard]] Matrix logits(const PlainHead& head, const ModelConfig& config, const Matrix& h);

/// The token embedding, float32 exact.
[[nodiscard]] Matrix plain_embedding(const Checkpoint& checkpoint, std::span<const std::int32_t> ids);

/// RMSNorm of every row.
[[nodiscard]] Matrix plain_norm(const Matrix& x, std::span<const double> weight, double eps);
/// In place: row - ln sum exp(row).
void log_softmax_rows(Matrix& x);

[[nodiscard]] Matrix to_matrix(std::span<const float> values, std::size_t columns);

/// The gradient of a scalar function at x by central differences.
[[nodiscard]] Matrix difference_gradient(const std::function<double(const Matrix&)>& f, Matrix x);

}  // namespace strata::test
