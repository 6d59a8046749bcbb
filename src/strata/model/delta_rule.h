// The gated delta rule, which some blocks have in place of attention: each value head holds a state matrix
// that every token decays, corrects and reads. Formulas: Yang, Kautz, Hatamizadeh 2024, arXiv:2412.06464.
//
// For one token of one value head, with S (key_dim, value_dim) starting at 0:
//   q, k, v = silu(short convolution of the rows of qkv);  q = unit(q) / sqrt(key_dim),  k = unit(k)
//   g = -decay_rate softplus(a + dt_bias),  beta = sigmoid(b)
//   S = e^g S;  S = S + k (beta (v - S^T k))^T;  o = S^T q
//   mixed = norm * o / sqrt(mean(o^2) + eps) * silu(z)
// with unit(x) = x / sqrt(sum x^2 + 1e-6). Everything is float32, in chunks of tokens; sums of g are float64.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/block_description.h"
#include "strata/model/product.h"

namespace strata {

inline constexpr std::int64_t kDeltaChunk = 64;  ///< tokens between two states that are computed

/// Where the heads lie in a row of qkv: the queries of all key heads, their keys, then all values.
struct DeltaLayout {
  std::int64_t key_heads, value_heads, key_dim, value_dim, kernel;

  explicit DeltaLayout(const DeltaDescription& sizes);
  [[nodiscard]] std::int64_t group() const { return value_heads / key_heads; }  ///< value heads of a key head
  [[nodiscard]] std::int64_t query_column(std::int64_t key_head) const { return key_head * key_dim; }
  [[nodiscard]] std::int64_t key_column(std::int64_t key_head) const {
    return (key_heads + key_head) * key_dim;
  }
  [[nodiscard]] std::int64_t value_column(std::int64_t value_head) const {
    return 2 * key_heads * key_dim + value_head * value_dim;
  }
  [[nodiscard]] std::int64_t channels() const { return value_column(value_heads); }  ///< of a row of qkv
  [[nodiscard]] std::int64_t width() const {
    return value_heads * value_dim;
  }  ///< of a row of z and the result
};

/// Sizes and vectors of one block. The vectors are borrowed.
struct DeltaParameters {
  DeltaDescription sizes;
  const float* convolution = nullptr;  ///< (channels, kernel); the last tap is on the present token
  const float* decay_rate = nullptr;   ///< (value_heads): exp(A_log), positive
  const float* dt_bias = nullptr;      ///< (value_heads)
  const float* norm = nullptr;         ///< (value_dim): the factor itself, not what is added to 1
  double eps = 0.0;                    ///< of the gated norm
};

/// Row-major rows, with the stride of a row in elements.
struct DeltaRows {
  const float* data = nullptr;
  std::int64_t stride = 0;
};
struct DeltaGradientRows {
  float* data = nullptr;
  std::int64_t stride = 0;
};

/// The products of one window: qkv (tokens, channels), z (tokens, width), b and a (tokens, value_heads).
struct DeltaInput {
  DeltaRows qkv, z, b, a;
  std::int64_t tokens = 0;
};

/// The gradients with respect to a DeltaInput, in the same shapes.
struct DeltaGradients {
  DeltaGradientRows qkv, z, b, a;
};

/// What the states of a window do at each token. Each span has one value a token, or is empty: then that
/// statistic is not computed. All are averages over the value heads.
struct DeltaSums {
  std::span<double> decay;  ///< e^g: the share of the state that the token leaves
  std::span<double>
      strength;  ///< beta: the share of the correction that is written; 0 = the token is ignored
  /// Tokens that the state holds: sum over tokens j <= i of e^(g of j + 1, ..., i). It is at most i + 1, and
  /// 1 / (1 - e^g) after many tokens with the same g, without that number's pole at g = 0.
  std::span<double> memory;
  /// The share of the value that the decayed state did not predict: |v - S^T k| / |v|, with the squares
  /// summed over the heads first. 0 = known already, 1 = new; NaN where every value is 0.
  std::span<double> surprise;
};

/// Scratch of one thread; grows to the largest window it has seen.
struct DeltaScratch {
  std::vector<float> taps;                                // of a key head and its value heads
  std::vector<float> states;                              // (group, key_dim, value_dim)
  std::vector<float> key_raw, key_active, unit, inverse;  // (2 chunk, key_dim): keys, then queries; (2 chunk)
  std::vector<float> value_raw, values;                   // (chunk, value_dim)
  std::vector<float> from_state;                          // (2 chunk, value_dim): K S, then Q S
  std::vector<float> innovation, written, decayed, out;   // (chunk, value_dim)
  std::vector<float> key_scores, decay, coupling, scores;  // (2 chunk, chunk), then (chunk, chunk) each
  std::vector<double> memory, value_squares;               // (group); (tokens)
  PackedRows key_rows, query_rows, keys_turned, score_rows;
  PackedMatrix key_matrix, state_matrix, written_matrix;
};
[[nodiscard]] std::uint64_t delta_scratch_bytes(const DeltaDescription& sizes, int tokens);

/// mixed (tokens, width), row-major without gaps, of one window. Zeros and S = 0 come before it. Row i
/// depends on the rows up to i alone, and its bits do not depend on the number of rows after it. One thread.
void delta_rule(const DeltaParameters& parameters, const DeltaInput& input, float* mixed,
                DeltaScratch& scratch, const DeltaSums* sums = nullptr);

/// Scratch of one thread for the gradients; grows likewise.
struct DeltaBackwardScratch {
  DeltaScratch forward;
  std::vector<float> chunk_states;  // (chunks, group, key_dim, value_dim): before each chunk
  std::vector<float> d_states;      // (group, key_dim, value_dim)
  std::vector<float> d_unit;        // (2 chunk, key_dim): keys, then queries
  std::vector<float> d_key_scores;  // (2 chunk, chunk): of K K^T, then Q K^T, over the value heads
  std::vector<float> products;      // (2 chunk, chunk): d_values written^T, then d_out written^T
  std::vector<float> d_values;      // (2 chunk, value_dim): of the values, then of o
  std::vector<float> d_read;        // (2 chunk, value_dim): of K S, then Q S
  std::vector<float> d_written, from_gradient, solved;  // (chunk, value_dim)
  PackedRows rows, unit_turned;
  PackedMatrix matrix;
};
[[nodiscard]] std::uint64_t delta_backward_scratch_bytes(const DeltaDescription& sizes, int tokens);

/// Replaces what `gradients` points to by the gradient of sum(mixed * d_mixed) with respect to the input, for
/// mixed = delta_rule(input); d_mixed (tokens, width) is row-major without gaps. The gradients' memory must
/// not overlap the input's. Computes the forward pass again; keeps one state per chunk. One thread.
void delta_rule_backward(const DeltaParameters& parameters, const DeltaInput& input, const float* d_mixed,
                         const DeltaGradients& gradients, DeltaBackwardScratch& scratch);

}  // namespace strata
