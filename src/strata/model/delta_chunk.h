// What the gated delta rule and its gradients compute alike: one chunk of tokens of one key head, and of one
// of the value heads that share it.
//
// Within a chunk, with c_i = the sum of g over its tokens up to i and S the state before it:
//   innovation_i = v_i - e^c_i S^T k_i - sum_{j < i} e^(c_i - c_j) (k_i . k_j) written_j
//   written_i = beta_i innovation_i
//   o_i = e^c_i S^T q_i + sum_{j <= i} e^(c_i - c_j) (q_i . k_j) written_j
//   state after it = e^c_last S + sum_j e^(c_last - c_j) k_j written_j^T
#pragma once

#include <cstdint>

#include "strata/model/delta_kernels.h"
#include "strata/model/delta_rule.h"
#include "strata/model/short_convolution.h"

namespace strata {

/// Tokens [first, first + rows) of a window.
struct DeltaChunk {
  std::int64_t first = 0, rows = 0;
};

/// One key head and its value heads, in one window. What its functions leave is in `s` and `gates`.
struct DeltaGroup {
  const DeltaParameters& p;
  const DeltaInput& in;
  DeltaScratch& s;
  std::int64_t key_head = 0;
  DeltaLayout layout = DeltaLayout(p.sizes);
  DeltaGates gates = {};

  [[nodiscard]] std::int64_t value_head(std::int64_t member) const {
    return key_head * layout.group() + member;
  }
  [[nodiscard]] std::int64_t state_size() const { return layout.key_dim * layout.value_dim; }
  /// The convolutions of the queries, the keys and a member's values.
  [[nodiscard]] ShortConvolution queries() const;
  [[nodiscard]] ShortConvolution keys() const;
  [[nodiscard]] ShortConvolution values(std::int64_t member) const;
  [[nodiscard]] float query_scale() const;  ///< 1 / sqrt(key_dim)
};

/// Room for windows of so many tokens.
void reserve_delta_scratch(const DeltaLayout& layout, std::int64_t tokens, DeltaScratch& scratch);

/// The group's taps.
void prepare_group(DeltaGroup& x);
/// unit and inverse: keys and queries; key_scores: K K^T, then Q K^T; their packed forms.
void prepare_keys(DeltaGroup& x, const DeltaChunk& chunk);
/// values, gates, decay and coupling of a value head.
void prepare_values(DeltaGroup& x, const DeltaChunk& chunk, std::int64_t member);
/// innovation and written; packs the state (key_dim, value_dim) before the chunk.
void correct_state(DeltaGroup& x, const DeltaChunk& chunk, const float* state);
/// scores and out, after correct_state.
void read_state(DeltaGroup& x, const DeltaChunk& chunk);
/// The state after the chunk in place of that before it, after correct_state.
void advance_state(DeltaGroup& x, const DeltaChunk& chunk, float* state);

}  // namespace strata
