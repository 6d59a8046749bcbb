// The network written a second time, with LibTorch's operators in float64 and its autograd: slow, plain, and
// independent of strata's kernels. Gradients are compared with it.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <functional>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/rope.h"

namespace strata::test {

inline at::Tensor load_double(const Checkpoint& checkpoint, Role role, int layer = 0) {
  std::vector<float> values(checkpoint.element_count(role));
  checkpoint.load(role, layer, values);
  return at::from_blob(values.data(), checkpoint.shape(role), at::kFloat).to(at::kDouble).clone();
}

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * (x.pow(2).mean(-1, true) + eps).rsqrt() * weight;
}

/// Rotates (tokens, heads, head_dim) as Hugging Face does: x cos + rotate_half(x) sin.
inline at::Tensor rotate(const at::Tensor& x, const ModelConfig& c) {
  const auto frequency = rope_frequencies(c);
  const at::Tensor angle =
      at::outer(at::arange(x.size(0), at::kDouble), at::tensor(at::ArrayRef<double>(frequency), at::kDouble));
  const at::Tensor both = at::cat({angle, angle}, -1).unsqueeze(1);
  const auto half = x.chunk(2, -1);
  return x * both.cos() + at::cat({-half[1], half[0]}, -1) * both.sin();
}

/// One block on (tokens, d), differentiable. `edit` may replace the attention probabilities (heads, queries,
/// keys).
inline at::Tensor autograd_block(const Checkpoint& checkpoint, int layer, const at::Tensor& h,
                                 const std::function<at::Tensor(const at::Tensor&)>& edit = {}) {
  const ModelConfig& c = checkpoint.config();
  const auto load = [&](Role role) { return load_double(checkpoint, role, layer); };
  const at::Tensor x = rms_norm(h, load(Role::attention_norm), c.norm_eps);
  const auto project = [&](Role weight, Role bias, int heads) {
    at::Tensor y = at::matmul(x, load(weight).t());
    if (checkpoint.has(bias)) y = y + load(bias);
    return y.view({h.size(0), heads, c.head_dim});
  };
  at::Tensor q = project(Role::query, Role::query_bias, c.heads);
  at::Tensor k = project(Role::key, Role::key_bias, c.kv_heads);
  const at::Tensor v = project(Role::value, Role::value_bias, c.kv_heads);
  if (checkpoint.has(Role::query_norm)) {
    q = rms_norm(q, load(Role::query_norm), c.norm_eps);
    k = rms_norm(k, load(Role::key_norm), c.norm_eps);
  }
  const auto spread = [&](const at::Tensor& t) {
    return t.repeat_interleave(c.heads / c.kv_heads, 1).transpose(0, 1);
  };
  const at::Tensor scores =
      at::matmul(rotate(q, c).transpose(0, 1), spread(rotate(k, c)).transpose(1, 2)) / std::sqrt(c.head_dim);
  const at::Tensor future = at::ones({h.size(0), h.size(0)}, at::kBool).triu(1);
  at::Tensor p = at::softmax(scores.masked_fill(future, -INFINITY), -1);
  if (edit) p = edit(p);
  const at::Tensor heads = at::matmul(p, spread(v)).transpose(0, 1).reshape({h.size(0), -1});
  const at::Tensor middle = h + at::matmul(heads, load(Role::attention_output).t());
  const at::Tensor y = rms_norm(middle, load(Role::mlp_norm), c.norm_eps);
  const at::Tensor gate = at::matmul(y, load(Role::gate).t()), up = at::matmul(y, load(Role::up).t());
  return middle + at::matmul(at::silu(gate) * up, load(Role::down).t());
}

/// Logits (tokens, vocab) of state L.
inline at::Tensor autograd_logits(const Checkpoint& checkpoint, const at::Tensor& h) {
  const at::Tensor x = rms_norm(h, load_double(checkpoint, Role::final_norm), checkpoint.config().norm_eps);
  const Role role = checkpoint.has(Role::unembedding) ? Role::unembedding : Role::embedding;
  return at::matmul(x, load_double(checkpoint, role).t());
}

}  // namespace strata::test
