#include "strata/model/head.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

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

at::Tensor load_embedding_rows(const Checkpoint& checkpoint, const std::vector<char>& used) {
  const auto shape = checkpoint.shape(Role::embedding);
  STRATA_CHECK(used.size() == static_cast<std::size_t>(shape[0]));
  const auto d = static_cast<std::size_t>(shape[1]);
  // Anonymous pages are zero, and are not there before they are written.
  const std::size_t bytes = used.size() * d * sizeof(float);
  void* const table =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (table == MAP_FAILED) throw std::bad_alloc();
  at::Tensor rows = at::from_blob(
      table, shape, [bytes](void* address) { (void)::munmap(address, bytes); }, at::kFloat);
  checkpoint.load_rows(Role::embedding, 0, [&](std::size_t first, std::span<const float> piece) {
    for (std::size_t i = 0; i < piece.size() / d; ++i) {
      if (used[first + i] == 0) continue;
      std::copy_n(piece.data() + i * d, d, static_cast<float*>(table) + (first + i) * d);
    }
  });
  return rows;
}

HeadWeights load_head(const Checkpoint& checkpoint, const at::Tensor& embedding) {
  HeadWeights head;
  head.final_norm = load_whole(checkpoint, Role::final_norm);
  if (checkpoint.has(Role::unembedding)) {
    head.unembedding = load_whole(checkpoint, Role::unembedding);
  } else {
    head.unembedding = embedding.defined() ? embedding : load_whole(checkpoint, Role::embedding);
  }
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
