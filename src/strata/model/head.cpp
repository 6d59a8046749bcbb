#include "strata/model/head.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/block.h"
#include "strata/model/kernels.h"

namespace strata {
namespace {

at::Tensor load_whole(const Checkpoint& checkpoint, Role role) {
  at::Tensor t = at::empty(checkpoint.shape(role), at::kFloat);
  checkpoint.load(role, 0, {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())});
  return t;
}

}  // namespace

at::Tensor load_embedding(const Checkpoint& checkpoint) {
  return load_whole(checkpoint, Role::embedding);
}

HeadWeights load_head(const Checkpoint& checkpoint, const at::Tensor& embedding) {
  HeadWeights head;
  head.final_norm = load_whole(checkpoint, Role::final_norm);
  head.unembedding =
      checkpoint.has(Role::unembedding) ? load_whole(checkpoint, Role::unembedding) : embedding;
  STRATA_CHECK(head.unembedding.defined());
  return head;
}

void embed(const at::Tensor& embedding, std::span<const std::int32_t> ids, float* out) {
  const std::int64_t vocab = embedding.size(0), d = embedding.size(1);
  const float* table = embedding.data_ptr<float>();
  for (const std::int32_t id : ids) {
    STRATA_CHECK(id >= 0 && id < vocab);
    out = std::copy_n(table + id * d, d, out);
  }
}

void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch) {
  const std::int64_t d = config.hidden, vocab = head.unembedding.size(0);
  STRATA_CHECK(rows > 0 && rows <= kLogitRows);
  scratch.normed.assign(static_cast<std::size_t>(kLogitRows * d), 0.0f);
  rms_norm_rows(h, d, scratch.normed.data(), d, head.final_norm.data_ptr<float>(), rows, d, config.norm_eps);
  matmul_nt(scratch.normed.data(), d, head.unembedding.data_ptr<float>(), d, logits, vocab, kLogitRows, vocab,
            d);
}

}  // namespace strata
