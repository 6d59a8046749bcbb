#include "strata/model/block.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"

namespace strata {
namespace {

at::Tensor view(const float* data, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
  // from_blob wants a mutable pointer; operands are only read.
  return at::from_blob(const_cast<float*>(data), {rows, cols}, {stride, 1}, at::kFloat);
}

std::span<float> values(at::Tensor& t, std::int64_t offset, std::int64_t count) {
  return {t.data_ptr<float>() + offset, static_cast<std::size_t>(count)};
}

at::Tensor load_tensor(const Checkpoint& checkpoint, Role role, int layer) {
  at::Tensor t = at::empty(checkpoint.shape(role), at::kFloat);
  checkpoint.load(role, layer, values(t, 0, t.numel()));
  return t;
}

// Several matrices of the same input, stacked along their rows.
at::Tensor load_stacked(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer) {
  std::int64_t rows = 0;
  for (const Role role : roles) rows += checkpoint.shape(role)[0];
  std::vector<std::int64_t> shape = checkpoint.shape(*roles.begin());
  shape[0] = rows;
  at::Tensor t = at::empty(shape, at::kFloat);
  std::int64_t offset = 0;
  for (const Role role : roles) {
    const auto count = static_cast<std::int64_t>(checkpoint.element_count(role));
    checkpoint.load(role, layer, values(t, offset, count));
    offset += count;
  }
  return t;
}

float* room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
  return buffer.data();
}

// Attention of one window from its q, k, v rows to the concatenated heads.
void attend(const ModelConfig& c, float* qkv, float* attended, std::int64_t n, BlockScratch& scratch,
            const BlockHooks& hooks) {
  const std::int64_t dim = c.head_dim;
  const std::int64_t width = static_cast<std::int64_t>(c.heads + 2 * c.kv_heads) * dim;
  const std::int64_t out_width = static_cast<std::int64_t>(c.heads) * dim;
  const int group = c.heads / c.kv_heads;
  float* scores = room(scratch.scores, n * n);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
  for (int head = 0; head < c.heads; ++head) {
    const float* q = qkv + head * dim;
    const float* k = qkv + (c.heads + head / group) * dim;
    const float* v = k + static_cast<std::int64_t>(c.kv_heads) * dim;
    matmul_nt(q, width, k, width, scores, n, n, n, dim);
    causal_softmax(scores, n, scale, hooks.sums);
    if (hooks.edit_attention != nullptr) {
      for (std::int64_t query = 0; query < n; ++query)
        (*hooks.edit_attention)(head, query, scores + query * n);
    }
    matmul_nn(scores, n, v, width, attended + head * dim, out_width, n, dim, n);
  }
}

}  // namespace

void matmul_nt(const float* x, std::int64_t x_stride, const float* weight, std::int64_t weight_stride,
               float* out, std::int64_t out_stride, std::int64_t rows, std::int64_t n, std::int64_t k) {
  at::Tensor result = view(out, rows, n, out_stride);
  at::mm_out(result, view(x, rows, k, x_stride), view(weight, n, k, weight_stride).t());
}

void matmul_nn(const float* x, std::int64_t x_stride, const float* b, std::int64_t b_stride, float* out,
               std::int64_t out_stride, std::int64_t rows, std::int64_t n, std::int64_t k) {
  at::Tensor result = view(out, rows, n, out_stride);
  at::mm_out(result, view(x, rows, k, x_stride), view(b, k, n, b_stride));
}

BlockWeights load_block(const Checkpoint& checkpoint, int layer) {
  BlockWeights w;
  w.attention_norm = load_tensor(checkpoint, Role::attention_norm, layer);
  w.qkv = load_stacked(checkpoint, {Role::query, Role::key, Role::value}, layer);
  if (checkpoint.has(Role::query_bias)) {
    w.qkv_bias = load_stacked(checkpoint, {Role::query_bias, Role::key_bias, Role::value_bias}, layer);
  }
  if (checkpoint.has(Role::query_norm)) {
    w.query_norm = load_tensor(checkpoint, Role::query_norm, layer);
    w.key_norm = load_tensor(checkpoint, Role::key_norm, layer);
  }
  w.attention_output = load_tensor(checkpoint, Role::attention_output, layer);
  w.mlp_norm = load_tensor(checkpoint, Role::mlp_norm, layer);
  w.gate_up = load_stacked(checkpoint, {Role::gate, Role::up}, layer);
  w.down = load_tensor(checkpoint, Role::down, layer);
  return w;
}

std::uint64_t block_bytes(const ModelConfig& config) {
  return static_cast<std::uint64_t>(count_parameters(config).per_block) * sizeof(float);
}

std::uint64_t scratch_bytes(const ModelConfig& c, int tokens) {
  const auto n = static_cast<std::uint64_t>(tokens);
  const auto heads =
      static_cast<std::uint64_t>(c.heads + 2 * c.kv_heads) * static_cast<std::uint64_t>(c.head_dim);
  const auto out = static_cast<std::uint64_t>(c.heads) * static_cast<std::uint64_t>(c.head_dim);
  const auto d = static_cast<std::uint64_t>(c.hidden);
  const auto ffn = static_cast<std::uint64_t>(c.ffn);
  return n * (2 * d + heads + n + out + 3 * ffn) * sizeof(float);
}

void forward_block(const BlockWeights& w, const ModelConfig& c, const RopeTable& rope, const float* h_in,
                   float* h_out, std::int64_t n, BlockScratch& scratch, const BlockHooks& hooks) {
  const std::int64_t d = c.hidden, ffn = c.ffn, dim = c.head_dim;
  const std::int64_t width = static_cast<std::int64_t>(c.heads + 2 * c.kv_heads) * dim;
  const std::int64_t out_width = static_cast<std::int64_t>(c.heads) * dim;
  STRATA_CHECK(n * (dim / 2) <= static_cast<std::int64_t>(rope.cos.size()));
  float* normed = room(scratch.normed, n * d);
  float* branch = room(scratch.branch, n * d);

  rms_norm_rows(h_in, d, normed, d, w.attention_norm.data_ptr<float>(), n, d, c.norm_eps);
  float* qkv = room(scratch.qkv, n * width);
  matmul_nt(normed, d, w.qkv.data_ptr<float>(), d, qkv, width, n, width, d);
  if (w.qkv_bias.defined()) add_bias_rows(qkv, w.qkv_bias.data_ptr<float>(), n, width);
  float* keys = qkv + c.heads * dim;
  if (w.query_norm.defined()) {
    for (int head = 0; head < c.heads; ++head) {
      rms_norm_rows(qkv + head * dim, width, qkv + head * dim, width, w.query_norm.data_ptr<float>(), n, dim,
                    c.norm_eps);
    }
    for (int head = 0; head < c.kv_heads; ++head) {
      rms_norm_rows(keys + head * dim, width, keys + head * dim, width, w.key_norm.data_ptr<float>(), n, dim,
                    c.norm_eps);
    }
  }
  rope_rows(qkv, width, n, c.heads + c.kv_heads, dim, rope.cos.data(), rope.sin.data());
  float* attended = room(scratch.attended, n * out_width);
  attend(c, qkv, attended, n, scratch, hooks);
  matmul_nt(attended, out_width, w.attention_output.data_ptr<float>(), out_width, branch, d, n, d, out_width);
  if (h_out != h_in) std::copy_n(h_in, n * d, h_out);
  add_in_place(h_out, branch, n * d);

  rms_norm_rows(h_out, d, normed, d, w.mlp_norm.data_ptr<float>(), n, d, c.norm_eps);
  float* gate_up = room(scratch.gate_up, n * 2 * ffn);
  matmul_nt(normed, d, w.gate_up.data_ptr<float>(), d, gate_up, 2 * ffn, n, 2 * ffn, d);
  float* hidden = room(scratch.ffn, n * ffn);
  swiglu_rows(gate_up, hidden, n, ffn);
  matmul_nt(hidden, ffn, w.down.data_ptr<float>(), ffn, branch, d, n, d, ffn);
  add_in_place(h_out, branch, n * d);
}

}  // namespace strata
