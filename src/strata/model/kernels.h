// The row operations between the matrix products, on float32 rows in memory. Each row's result
// depends on that row alone, never on the number of rows, threads or the batch: LibTorch's own
// elementwise kernels round a row's tail differently from its body, so that it would.
#pragma once

#include <cstdint>
#include <span>

namespace strata {

/// y = x / sqrt(mean(x^2) + eps) * weight for each row of length `width` (RMSNorm, Zhang and Sennrich
/// 2019, arXiv:1910.07467). x and y may be the same memory. Row strides in elements.
void rms_norm_rows(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                   const float* weight, std::int64_t rows, std::int64_t width, double eps);

/// Adds `bias` (width) to each row. Row stride in elements.
void add_bias_rows(float* x, std::int64_t stride, const float* bias, std::int64_t rows, std::int64_t width);

/// Multiplies the first `width` values of row r by scale[r]. Row stride in elements.
void scale_rows(float* x, std::int64_t stride, const float* scale, std::int64_t rows, std::int64_t width);

/// y += scale * x elementwise.
void add_scaled(float* y, const float* x, float scale, std::int64_t count);

/// sum of a_i b_i, in double.
[[nodiscard]] double inner_product(const float* a, const float* b, std::int64_t count);

/// x = x sigmoid(gate) elementwise.
void apply_gate(float* x, const float* gate, std::int64_t count);

/// y += x elementwise.
void add_in_place(float* y, const float* x, std::int64_t count);

/// gate[r][i] = silu(gate[r][i]) * up[r][i] for each row of length `width`. Row strides in elements.
void swiglu_rows(float* gate, std::int64_t gate_stride, const float* up, std::int64_t up_stride,
                 std::int64_t rows, std::int64_t width);

/// Where the rotated heads of a row lie: one after the other, `dim` values each, of which the first
/// `rotated` are turned.
struct HeadRows {
  std::int64_t stride = 0;  ///< of a row, in elements
  std::int64_t rows = 0, heads = 0, dim = 0, rotated = 0;
};

/// Rotates the heads of each row in place: pairs (i, i + rotated/2) by the angle whose cosine and sine are at
/// cos[row][i], sin[row][i] (Hugging Face's "rotate half" layout).
void rope_rows(float* x, const HeadRows& layout, const float* cos, const float* sin);

/// What one attention head does with each query's distance and spread, summed over heads.
/// "reduced" = sink columns removed and the row renormalised.
struct AttentionSums {
  std::span<const float> keep;                  ///< per key: 1 ordinary, 0 sink (removed from "reduced")
  std::span<double> distance_all, entropy_all;  ///< per query
  std::span<double> distance_reduced, entropy_reduced;  ///< per query; NaN where no two keys remain
  /// Per query, where not empty: share of the attention on the oldest edge_keys(window) keys of the window
  /// over what a uniform spread has there; NaN for queries that see fewer keys than the window.
  std::span<double> window_edge;
};

/// An eighth of a sliding window, at least one key.
[[nodiscard]] constexpr std::int64_t edge_keys(std::int64_t window) {
  return window < 8 ? 1 : window / 8;
}

/// Some queries of a window, one after the other: row r of the scores belongs to query first + r.
struct QueryRows {
  std::int64_t first = 0, rows = 0;
  std::int64_t stride = 0;  ///< of the scores, in elements; columns are keys
  std::int64_t keys = 0;    ///< columns to fill, at least first + rows
  std::int64_t window = 0;  ///< keys that a query sees, its own included, at most; 0 = all up to its own

  /// Of the keys that query `i` sees.
  [[nodiscard]] std::int64_t first_key(std::int64_t i) const {
    return window == 0 || i < window ? 0 : i - window + 1;
  }
};

/// Softmax of scale * scores over the keys first_key(i) <= j <= i of each query i, in place; the other keys
/// become 0, whatever their scores. With `sums`, adds this head's distance and normalised entropy of every
/// query to them: distance = sum A|i-j| / mean|i-j| over the keys it sees, entropy = -sum A ln A / ln(their
/// number).
void causal_softmax(float* scores, const QueryRows& queries, float scale, const AttentionSums* sums);
/// The same for a whole window: scores is (n, n), row-major.
inline void causal_softmax(float* scores, std::int64_t n, float scale, const AttentionSums* sums) {
  causal_softmax(scores, {.first = 0, .rows = n, .stride = n, .keys = n}, scale, sums);
}

/// Statistics of softmax(logits) for one row.
struct LogitRow {
  double log_normaliser = 0.0;  ///< ln sum exp(logit)
  double entropy_nats = 0.0;
};
[[nodiscard]] LogitRow logit_statistics(std::span<const float> logits);

/// ln sum_i exp(logit_i).
[[nodiscard]] double log_sum_exp(std::span<const float> logits);

/// Normalised probabilities of a row, in double.
void softmax_row(std::span<const float> logits, std::span<double> probability);

struct Divergence {
  double kl_nats = 0.0;               ///< KL(p || q), never negative
  double delta_log_normaliser = 0.0;  ///< ln sum exp(q_logits) - ln sum exp(p_logits)
};

/// p = softmax(p_logits), given as `probability`, against q = softmax(q_logits). Accurate for small
/// differences: KL = ln(sum p exp(d)) - sum p d with d = q_logits - p_logits, so the common part of the
/// logits cancels before it is rounded.
[[nodiscard]] Divergence divergence_from_logits(std::span<const double> probability,
                                                std::span<const float> p_logits,
                                                std::span<const float> q_logits);

}  // namespace strata
