// The two ends of the network: token embedding, and final norm with unembedding.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/pooling.h"
#include "strata/model/product.h"
#include "strata/model/weight.h"

namespace strata {

/// Rows of logits that are computed at once, at most.
inline constexpr std::int64_t kLogitRows = 64;

struct HeadWeights {
  WeightVector final_norm;  // (d), of the unembedding's backend
  Weight unembedding;       // (vocab, d); the embedding when they are tied; undefined without a head
  Pooling pooling = Pooling::last_token;  // of a model without a head

  [[nodiscard]] ComputeDType dtype() const { return unembedding.dtype(); }
};

/// The token embedding, packed, in the processor's memory: of the whole vocabulary, or of some tokens alone.
struct Embedding {
  PackedMatrix table;                // (vocab or tokens that are there, d)
  std::vector<std::int32_t> row_of;  // of each token in the table, -1 = not there; empty for a whole table
  const Backend* backend = &cpu_backend();  // of the network it belongs to

  [[nodiscard]] bool whole() const { return row_of.empty(); }
  [[nodiscard]] Compute compute() const { return {table.dtype(), *backend}; }
};

/// The whole of it, so that a tied model holds it once.
[[nodiscard]] Embedding load_embedding(const Checkpoint& checkpoint, Compute compute = {});
/// The embedding of tokens with used[id] != 0. Every byte of it is read and checked all the same.
[[nodiscard]] Embedding load_embedding_rows(const Checkpoint& checkpoint, const std::vector<char>& used,
                                            Compute compute = {});
/// Bytes of an Embedding of so many tokens.
[[nodiscard]] std::uint64_t embedding_rows_bytes(const ModelConfig& config, std::int64_t tokens,
                                                 ComputeDType dtype = ComputeDType::float32);
/// In the dtype and by the backend of `embedding`, whose table is used itself for a tied model where it is
/// whole and packed; else it is read again.
[[nodiscard]] HeadWeights load_head(const Checkpoint& checkpoint, const Embedding& embedding);
/// The same for a model with a head; without one, the final norm in the processor's memory and the pooling.
[[nodiscard]] HeadWeights load_output(const Checkpoint& checkpoint, const Embedding& embedding);
/// (d)
[[nodiscard]] std::vector<float> load_final_norm(const Checkpoint& checkpoint);
/// Throws Error(unsupported) for a base model, which has no head.
void require_head(const Checkpoint& checkpoint);
/// Bytes of the whole embedding and the unembedding.
[[nodiscard]] std::uint64_t ends_bytes(const ModelConfig& config, ComputeDType dtype = ComputeDType::float32);

/// out (ids, d) = rows of the embedding, which must have them.
void embed(const Embedding& embedding, std::span<const std::int32_t> ids, float* out);

/// Scratch for logits of one thread.
struct LogitScratch {
  std::vector<float> normed;  // (rows, d): the rows after the final norm
  PackedRows input;
  std::vector<float> strip;  // visit_logits: (rows, kStripWords), or all logits where a backend computes them
};

/// logits (rows, vocab) = unembedding * final_norm(h), h (rows, d), rows <= kLogitRows. A row's bits do not
/// depend on the number of its neighbours.
void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch);

/// Rows that visit_logits takes at once, and words of the vocabulary that it shows at once, at most.
inline constexpr std::int64_t kVisitedRows = 96, kStripWords = 1024;

/// logits (rows, count) of the words [first, first + count), stride in elements.
using LogitVisitor =
    std::function<void(std::int64_t first, std::int64_t count, const float* logits, std::int64_t stride)>;

/// The same logits, of up to kVisitedRows rows, shown strip by strip in rising order and never held whole.
/// The strips do not depend on the rows.
void visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                  LogitScratch& scratch, const LogitVisitor& visit);

}  // namespace strata
