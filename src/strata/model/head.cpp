#include "strata/model/head.h"

#include <ATen/ops/empty.h>

#include "strata/base/error.h"
#include "strata/model/block.h"
#include "strata/model/kernels.h"

namespace strata {

PackedMatrix load_embedding(const Checkpoint& checkpoint, ComputeDType dtype) {
  return load_packed(checkpoint, {Role::embedding}, 0, dtype);
}

HeadWeights load_head(const Checkpoint& checkpoint, const PackedMatrix& embedding) {
  HeadWeights head;
  head.final_norm = at::empty(checkpoint.shape(Role::final_norm), at::kFloat);
  checkpoint.load(Role::final_norm, 0,
                  std::span(head.final_norm.data_ptr<float>(), checkpoint.element_count(Role::final_norm)));
  head.unembedding = checkpoint.has(Role::unembedding)
                         ? load_packed(checkpoint, {Role::unembedding}, 0, embedding.dtype())
                         : embedding;
  STRATA_CHECK(head.unembedding.defined());
  return head;
}

std::uint64_t ends_bytes(const ModelConfig& c, ComputeDType dtype) {
  return (c.tied_embeddings ? 1u : 2u) * packed_bytes(dtype, c.vocab, c.hidden);
}

void embed(const PackedMatrix& embedding, std::span<const std::int32_t> ids, float* out) {
  for (const std::int32_t id : ids) {
    embedding.read_row(id, out);
    out += embedding.columns();
  }
}

void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch) {
  const std::int64_t d = config.hidden;
  STRATA_CHECK(rows > 0 && rows <= kLogitRows);
  scratch.normed.resize(static_cast<std::size_t>(kLogitRows * d));
  rms_norm_rows(h, d, scratch.normed.data(), d, head.final_norm.data_ptr<float>(), rows, d, config.norm_eps);
  scratch.input.reset(head.dtype(), rows, d);
  scratch.input.put(scratch.normed.data(), d);
  multiply(scratch.input, head.unembedding, {.data = logits, .stride = head.unembedding.rows()});
}

}  // namespace strata
