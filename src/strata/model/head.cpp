#include "strata/model/head.h"

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/block.h"
#include "strata/model/cpu_backend.h"
#include "strata/model/kernels.h"

namespace strata {

Embedding load_embedding(const Checkpoint& checkpoint, Compute compute) {
  return {.table = load_weight(checkpoint, {Role::embedding}, 0, compute.dtype).packed(),
          .row_of = {},
          .backend = compute.backend};
}

Embedding load_embedding_rows(const Checkpoint& checkpoint, const std::vector<char>& used, Compute compute) {
  const auto shape = checkpoint.shape(Role::embedding);
  STRATA_CHECK(used.size() == static_cast<std::size_t>(shape[0]));
  const std::int64_t d = shape[1];
  Embedding embedding{.table = {}, .row_of = {}, .backend = compute.backend};
  embedding.row_of.assign(used.size(), -1);
  std::int32_t rows = 0;
  for (std::size_t id = 0; id < used.size(); ++id) {
    if (used[id] != 0) embedding.row_of[id] = rows++;
  }
  embedding.table.reset(compute.dtype, std::max(rows, 1), d);
  checkpoint.load(Role::embedding, 0, [&](std::size_t first, std::span<const float> values) {
    const float* row = values.data();
    for (std::size_t id = first; row != values.data() + values.size(); ++id, row += d) {
      if (embedding.row_of[id] >= 0) embedding.table.put_rows(embedding.row_of[id], 1, row, d);
    }
  });
  return embedding;
}

std::uint64_t embedding_rows_bytes(const ModelConfig& c, std::int64_t tokens, ComputeDType dtype) {
  return packed_bytes(dtype, std::max<std::int64_t>(tokens, 1), c.hidden) +
         static_cast<std::uint64_t>(c.vocab) * sizeof(std::int32_t);
}

std::vector<float> load_final_norm(const Checkpoint& checkpoint) {
  std::vector<float> norm(checkpoint.element_count(Role::final_norm));
  checkpoint.load(Role::final_norm, 0, std::span(norm));
  return norm;
}

HeadWeights load_head(const Checkpoint& checkpoint, const Embedding& embedding) {
  STRATA_CHECK(embedding.table.defined());
  require_head(checkpoint);
  HeadWeights head;
  head.final_norm = {load_final_norm(checkpoint), *embedding.backend};
  const bool packed = embedding.backend == &cpu_backend();
  if (!checkpoint.has(Role::unembedding) && embedding.whole() && packed) {
    head.unembedding = embedding.table;
  } else {
    const Role role = checkpoint.has(Role::unembedding) ? Role::unembedding : Role::embedding;
    head.unembedding = load_weight(checkpoint, {role}, 0, embedding.compute());
  }
  return head;
}

HeadWeights load_output(const Checkpoint& checkpoint, const Embedding& embedding) {
  if (checkpoint.config().has_head) return load_head(checkpoint, embedding);
  HeadWeights output;
  output.final_norm = {load_final_norm(checkpoint), cpu_backend()};
  output.pooling = read_pooling(checkpoint).pooling;
  return output;
}

void require_head(const Checkpoint& checkpoint) {
  if (checkpoint.config().has_head) return;
  throw Error(ErrorKind::unsupported,
              {.where = checkpoint.path().string(),
               .found = "a base model without an output head, which predicts no tokens",
               .expected = "a model with lm_head.weight, or tie_word_embeddings true",
               .hint = "strata analyze and strata dump take a model without a head"});
}

std::uint64_t ends_bytes(const ModelConfig& c, ComputeDType dtype) {
  return (c.tied_embeddings || !c.has_head ? 1u : 2u) * packed_bytes(dtype, c.vocab, c.hidden);
}

void embed(const Embedding& embedding, std::span<const std::int32_t> ids, float* out) {
  for (const std::int32_t id : ids) {
    STRATA_CHECK(embedding.whole() || (id >= 0 && static_cast<std::size_t>(id) < embedding.row_of.size()));
    embedding.table.read_row(embedding.whole() ? id : embedding.row_of[static_cast<std::size_t>(id)], out);
    out += embedding.table.columns();
  }
}

void cpu::compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                         std::int64_t rows, float* logits, LogitScratch& scratch) {
  const std::int64_t d = config.hidden;
  rms_norm_rows(h, d, scratch.normed.data(), d, head.final_norm.data(), rows, d, config.norm_eps);
  scratch.input.reset(head.dtype(), rows, d);
  scratch.input.put(scratch.normed.data(), d);
  const PackedMatrix& unembedding = head.unembedding.packed();
  multiply(scratch.input, unembedding, {.data = logits, .stride = unembedding.rows()});
}

void cpu::visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                       LogitScratch& scratch, const LogitVisitor& visit) {
  const std::int64_t d = config.hidden;
  rms_norm_rows(h, d, scratch.normed.data(), d, head.final_norm.data(), rows, d, config.norm_eps);
  scratch.input.reset(head.dtype(), rows, d);
  scratch.input.put(scratch.normed.data(), d);
  scratch.strip.resize(static_cast<std::size_t>(kVisitedRows * kStripWords));
  const PackedMatrix& unembedding = head.unembedding.packed();
  for (std::int64_t first = 0; first < unembedding.rows(); first += kStripWords) {
    const std::int64_t end = std::min(first + kStripWords, unembedding.rows());
    multiply(scratch.input, unembedding, first, end, {.data = scratch.strip.data(), .stride = kStripWords});
    visit(first, end - first, scratch.strip.data(), kStripWords);
  }
}

void Backend::visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                           std::int64_t rows, LogitScratch& scratch, const LogitVisitor& visit) const {
  const std::int64_t vocab = head.unembedding.rows();
  scratch.strip.resize(static_cast<std::size_t>(kVisitedRows * vocab));
  for (std::int64_t row = 0; row < rows; row += kLogitRows) {
    compute_logits(head, config, h + row * config.hidden, std::min(kLogitRows, rows - row),
                   scratch.strip.data() + row * vocab, scratch);
  }
  for (std::int64_t first = 0; first < vocab; first += kStripWords)
    visit(first, std::min(kStripWords, vocab - first), scratch.strip.data() + first, vocab);
}

}  // namespace strata
