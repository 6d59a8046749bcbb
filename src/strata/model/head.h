// The two ends of the network: token embedding, and final norm with unembedding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/product.h"

namespace strata {

/// Rows of logits that are computed at once, at most.
inline constexpr std::int64_t kLogitRows = 64;

struct HeadWeights {
  at::Tensor final_norm;     // (d)
  PackedMatrix unembedding;  // (vocab, d); the embedding when they are tied

  [[nodiscard]] ComputeDType dtype() const { return unembedding.dtype(); }
};

/// (vocab, d), packed, so that a tied model holds it once.
[[nodiscard]] PackedMatrix load_embedding(const Checkpoint& checkpoint,
                                          ComputeDType dtype = ComputeDType::float32);
/// In the dtype of `embedding`, which is used itself for a tied model.
[[nodiscard]] HeadWeights load_head(const Checkpoint& checkpoint, const PackedMatrix& embedding);
/// Bytes of the embedding and the unembedding.
[[nodiscard]] std::uint64_t ends_bytes(const ModelConfig& config, ComputeDType dtype = ComputeDType::float32);

/// out (ids, d) = rows of the embedding.
void embed(const PackedMatrix& embedding, std::span<const std::int32_t> ids, float* out);

/// Scratch for logits of one thread.
struct LogitScratch {
  std::vector<float> normed;  // (kLogitRows, d)
  PackedRows input;
};

/// logits (rows, vocab) = unembedding * final_norm(h), h (rows, d), rows <= kLogitRows. A row's bits do not
/// depend on the number of its neighbours.
void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch);

}  // namespace strata
