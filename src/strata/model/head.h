// The two ends of the network: token embedding, and final norm with unembedding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"

namespace strata {

/// Rows of logits that are computed at once; every product of the head has this many rows.
inline constexpr std::int64_t kLogitRows = 64;

struct HeadWeights {
  at::Tensor final_norm;   // (d)
  at::Tensor unembedding;  // (vocab, d); the embedding when they are tied
};

[[nodiscard]] at::Tensor load_embedding(const Checkpoint& checkpoint);  // (vocab, d)
/// The embedding with only the rows of tokens with used[id] != 0 filled in: the others are zero pages that
/// take no memory. Every byte of it is read and checked all the same.
[[nodiscard]] at::Tensor load_embedding_rows(const Checkpoint& checkpoint, const std::vector<char>& used);
/// `embedding`, whole, is used for a tied model; it is read (again) where it is undefined.
[[nodiscard]] HeadWeights load_head(const Checkpoint& checkpoint, const at::Tensor& embedding);

/// out (ids, d) = rows of the embedding.
void embed(const at::Tensor& embedding, std::span<const std::int32_t> ids, float* out);

/// Scratch for logits of one thread.
struct LogitScratch {
  std::vector<float> normed;  // (kLogitRows, d)
};

/// logits (rows, vocab) = unembedding * final_norm(h), h (rows, d), rows <= kLogitRows. `logits` must have
/// room for kLogitRows rows: the product is always that tall, so that a row's bits do not depend on the
/// number of its neighbours.
void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch);

}  // namespace strata
