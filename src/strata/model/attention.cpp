#include "strata/model/attention.h"

#include <algorithm>
#include <cmath>

namespace strata {

HeadLayout::HeadLayout(const AttentionDescription& a)
    : heads(a.heads),
      kv_heads(a.kv_heads),
      dim(a.head_dim),
      width((heads + 2 * kv_heads) * dim),
      out_width(heads * dim),
      scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)))),
      window(a.window) {}

std::uint64_t attention_scratch_bytes(const AttentionDescription& a, int tokens) {
  const std::uint64_t block = packed_rows_bytes(ComputeDType::float32, kQueryRows, tokens);
  return packed_bytes(ComputeDType::float32, tokens, a.head_dim) +
         packed_bytes(ComputeDType::float32, a.head_dim, tokens) + 2 * block +
         packed_rows_bytes(ComputeDType::float32, kQueryRows, a.head_dim);
}

void attention_probabilities(const HeadLayout& layout, const float* q, const QueryRows& queries,
                             float* scores, AttentionScratch& scratch, const AttentionSums* sums) {
  scratch.queries.reset(scratch.keys.dtype(), queries.rows, layout.dim);
  scratch.queries.put(q, layout.width);
  // From the panel of the first key that any of the queries sees.
  const std::int64_t first = queries.first_key(queries.first) / kPanelColumns * kPanelColumns;
  multiply(scratch.queries, scratch.keys, first, queries.keys,
           {.data = scores + first, .stride = queries.stride});
  causal_softmax(scores, queries, layout.scale, sums);
}

void attend(const HeadLayout& layout, ComputeDType dtype, const float* qkv, float* attended, std::int64_t n,
            AttentionScratch& scratch, const BlockHooks& hooks) {
  if (scratch.scores.size() < static_cast<std::size_t>(kQueryRows * n)) {
    scratch.scores.resize(static_cast<std::size_t>(kQueryRows * n));
  }
  float* scores = scratch.scores.data();
  for (std::int64_t kv = 0; kv < layout.kv_heads; ++kv) {
    scratch.keys.reset(dtype, n, layout.dim);
    scratch.keys.put_rows(0, n, qkv + layout.key_column(kv), layout.width);
    scratch.values.reset(dtype, layout.dim, n);
    scratch.values.put_transposed(qkv + layout.value_column(kv), layout.width);
    for (std::int64_t first = 0; first < n; first += kQueryRows) {
      const std::int64_t rows = std::min(kQueryRows, n - first);
      const QueryRows queries{
          .first = first, .rows = rows, .stride = n, .keys = first + rows, .window = layout.window};
      for (std::int64_t head = kv * layout.group(); head < (kv + 1) * layout.group(); ++head) {
        attention_probabilities(layout, qkv + first * layout.width + head * layout.dim, queries, scores,
                                scratch, hooks.sums);
        if (hooks.edit_attention != nullptr) {
          for (std::int64_t r = 0; r < rows; ++r)
            (*hooks.edit_attention)(static_cast<int>(head), first + r, scores + r * n);
        }
        scratch.probabilities.reset(dtype, rows, queries.keys);
        scratch.probabilities.put(scores, n);
        multiply(
            scratch.probabilities, scratch.values,
            {.data = attended + first * layout.out_width + head * layout.dim, .stride = layout.out_width});
      }
    }
  }
}

}  // namespace strata
