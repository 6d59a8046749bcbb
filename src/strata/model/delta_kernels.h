// The row operations of the gated delta rule between its products, and their gradients. Rows of length
// `width` without gaps unless a stride, in elements, is given. delta_rule.h has the formulas and the names.
#pragma once

#include <cstdint>

#include "strata/model/delta_rule.h"

namespace strata {

/// y = scale x / sqrt(sum x^2 + 1e-6) for each row, and that row's 1 / sqrt(...) in `inverse`.
void unit_rows(const float* x, float* y, float* inverse, float scale, std::int64_t rows, std::int64_t width);
/// dy -> dx, in place, for y = unit_rows(x): dx = scale (inverse dy - x inverse^3 (sum x dy)).
void unit_backward_rows(const float* x, const float* inverse, float* gradient, float scale, std::int64_t rows,
                        std::int64_t width);

/// One value head's gates over a chunk of tokens.
struct DeltaGates {
  double log_decay[kDeltaChunk];       ///< g
  double cumulative[kDeltaChunk];      ///< sum of g over the chunk's tokens up to this one
  double slope[kDeltaChunk];           ///< dg/da
  double strength[kDeltaChunk];        ///< beta
  double strength_slope[kDeltaChunk];  ///< dbeta/db
  float from_start[kDeltaChunk];  ///< e^(cumulative): what this token leaves of the state before the chunk
  float to_end[kDeltaChunk];      ///< what the chunk's end has left of what this token writes
  float whole = 1.0f;             ///< from_start of the last token
};
/// a and b are the column of the head, at the chunk's first row.
void delta_gates(const DeltaRows& a, const DeltaRows& b, double decay_rate, double dt_bias, std::int64_t rows,
                 DeltaGates& gates);

/// decay[i][j] = e^(sum of g over j < t <= i) for j <= i, else 0: (rows, rows). Nothing overflows, because
/// no exponent is positive.
void decay_matrix(const double* cumulative, std::int64_t rows, float* decay);
/// z = x * y.
void multiply_values(const float* x, const float* y, float* z, std::int64_t count);
/// sum += sign x * y.
void add_products(const float* x, const float* y, float sign, float* sum, std::int64_t count);

/// Rows of one chunk and value head: (rows, width) without gaps.
struct DeltaCorrections {
  const float* coupling;  ///< (rows, rows): decay[i][j] k_i . k_j
  std::int64_t rows, width;
};
/// What each token writes into the state: innovation_i = v_i - from_start_i (K S)_i - sum_{j < i} coupling_ij
/// written_j, written_i = beta_i innovation_i. The lower-triangular system of the paper's WY form, row by
/// row.
void solve_corrections(const DeltaCorrections& c, const DeltaGates& gates, const float* v,
                       const float* from_state, float* innovation, float* written);
/// The transposed system: solved_j = d_written_j - sum_{i > j} coupling_ij d_values_i, d_values_j = beta_j
/// solved_j. They are the gradients of v, too.
void solve_corrections_backward(const DeltaCorrections& c, const DeltaGates& gates, const float* d_written,
                                float* solved, float* d_values);

/// For pairs j < i of a chunk: adds t = coupling d_coupling + scores d_scores to the gradient of the
/// cumulative sum at i and takes it from that at j. All (rows, rows); d_coupling holds d_values written^T,
/// the gradient's negative.
struct PairDecays {
  const float *coupling, *d_coupling, *scores, *d_scores;
  std::int64_t rows;
};
void pair_decay_gradients(const PairDecays& p, double* d_cumulative);

/// y_r = scale_r x_r, and y_r += scale_r x_r.
void scaled_rows(const float* x, const float* scale, float* y, std::int64_t rows, std::int64_t width);
void add_scaled_rows(const float* x, const float* scale, float* y, std::int64_t rows, std::int64_t width);
/// x = factor x.
void scale_values(float* x, float factor, std::int64_t count);
/// sum x * y over rows of that width, in float64.
[[nodiscard]] double dot_values(const float* x, const float* y, std::int64_t count);

/// mixed = weight * o / sqrt(mean(o^2) + eps) * silu(z).
void gated_norm_rows(const float* o, const DeltaRows& z, const float* weight, double eps, std::int64_t rows,
                     std::int64_t width, const DeltaGradientRows& mixed);
/// Gradients of o, without gaps, and of z for those of mixed.
struct GatedNormGradient {
  const float* o;
  DeltaRows z, d_mixed;
  float* d_o;
  DeltaGradientRows d_z;
};
void gated_norm_backward_rows(const GatedNormGradient& g, const float* weight, double eps, std::int64_t rows,
                              std::int64_t width);

}  // namespace strata
