// Causal attention of one window in blocks of queries: no score of a key after its block is computed, no
// square of scores is held, and the query heads that share a key-value head share its packed keys.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "strata/checkpoint/config.h"
#include "strata/model/kernels.h"
#include "strata/model/product.h"
#include "strata/model/routing.h"

namespace strata {

struct DeltaSums;  // delta_rule.h

inline constexpr std::int64_t kQueryRows = 4 * kPanelRows;  ///< queries of one block

/// Changes the attention probabilities of one query in place: query + 1 keys, which sum to 1 before. Those
/// before a sliding window are 0 and must stay so.
using AttentionEdit = std::function<void(int head, std::int64_t query, float* probability)>;

/// What may look into a block while it computes; nothing by default.
struct BlockHooks {
  const AttentionSums* sums = nullptr;  ///< the attention statistics of every query, added up over the heads
  const AttentionEdit* edit_attention = nullptr;  ///< called for every head and query
  Routing* routing = nullptr;                     ///< filled with the routes of a mixture of experts
  const Routing* frozen_routing = nullptr;        ///< used in place of the router's own
  const DeltaSums* delta_sums = nullptr;          ///< filled with what a delta rule's states do
  std::int64_t dropped_expert = -1;               ///< adds nothing to the tokens that take it
  /// Filled with, for each token, the sum over the experts that it takes of their outputs brought to unit
  /// length: (tokens, d). Its square says how much they agree.
  float* expert_directions = nullptr;
  bool skip_mixer = false;         ///< h + feed_forward(norm(h))
  bool skip_feed_forward = false;  ///< h + mixer(norm(h)); with both the block is the identity

  BlockHooks(const AttentionSums* attention_sums = nullptr, const AttentionEdit* edit = nullptr)
      : sums(attention_sums), edit_attention(edit) {}
};

/// Where the heads of a window lie in its rows of q, k and v: (tokens, width), all queries, then the keys,
/// then the values.
struct HeadLayout {
  std::int64_t heads, kv_heads, dim;
  std::int64_t rotated;           ///< dimensions of a head that are turned
  std::int64_t width, out_width;  ///< of a row of q, k, v; of the concatenated heads
  float scale;                    ///< of the scores: 1 / sqrt(dim)
  std::int64_t window;            ///< as AttentionDescription's

  explicit HeadLayout(const AttentionDescription& attention);
  [[nodiscard]] std::int64_t group() const { return heads / kv_heads; }  ///< query heads of a key-value head
  [[nodiscard]] std::int64_t key_column(std::int64_t kv_head) const { return (heads + kv_head) * dim; }
  [[nodiscard]] std::int64_t value_column(std::int64_t kv_head) const {
    return (heads + kv_heads + kv_head) * dim;
  }
};

struct AttentionScratch {
  PackedMatrix keys;    // (tokens, dim)
  PackedMatrix values;  // (dim, tokens): the transpose
  PackedRows queries, probabilities;
  std::vector<float> scores;  // (kQueryRows, tokens)
};

[[nodiscard]] std::uint64_t attention_scratch_bytes(const AttentionDescription& attention, int tokens);

/// Probabilities of a block of queries of one head over the keys up to its end: (rows, keys) with row stride
/// `queries.stride`. `q` is the first query's row of that head; scratch.keys holds the head's keys.
void attention_probabilities(const HeadLayout& layout, const float* q, const QueryRows& queries,
                             float* scores, AttentionScratch& scratch, const AttentionSums* sums);

/// attended (tokens, out_width) = softmax(q k^T) v of every head of `qkv` (tokens, width).
void attend(const HeadLayout& layout, ComputeDType dtype, const float* qkv, float* attended,
            std::int64_t tokens, AttentionScratch& scratch, const BlockHooks& hooks);

}  // namespace strata
