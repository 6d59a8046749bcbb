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
  const auto frequency = rope_frequencies(c, x.size(0));
  const double factor = c.scaled_rope ? c.scaled_rope->attention_factor : 1.0;
  const at::Tensor angle =
      at::outer(at::arange(x.size(0), at::kDouble), at::tensor(at::ArrayRef<double>(frequency), at::kDouble));
  const at::Tensor both = at::cat({angle, angle}, -1).unsqueeze(1);
  const auto half = x.chunk(2, -1);
  return (x * both.cos() + at::cat({-half[1], half[0]}, -1) * both.sin()) * factor;
}

/// Every expert of every token, by its weight, which is 0 where it is not taken.
inline at::Tensor autograd_mixture(const Checkpoint& checkpoint, int layer, const at::Tensor& x) {
  const auto load = [&](Role role) { return load_double(checkpoint, role, layer); };
  const FeedForwardDescription f = describe_block(checkpoint.config(), layer).feed_forward;
  const auto mlp = [&](const at::Tensor& gate, const at::Tensor& up, const at::Tensor& down) {
    return at::matmul(at::silu(at::matmul(x, gate.t())) * at::matmul(x, up.t()), down.t());
  };
  const at::Tensor p = at::softmax(at::matmul(x, load(Role::router).t()), -1);
  at::Tensor weight = p * p.ge(std::get<0>(p.topk(f.experts_used, -1)).amin(-1, true));
  if (f.normalise) weight = weight / weight.sum(-1, true);
  const at::Tensor gate = load(Role::expert_gate), up = load(Role::expert_up), down = load(Role::expert_down);
  at::Tensor out = at::zeros_like(x);
  for (std::int64_t e = 0; e < f.experts; ++e)
    out = out + weight.narrow(1, e, 1) * mlp(gate[e], up[e], down[e]);
  if (f.shared_width == 0) return out;
  return out + at::sigmoid(at::matmul(x, load(Role::shared_expert_gate).t())) *
                   mlp(load(Role::shared_gate), load(Role::shared_up), load(Role::shared_down));
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
  const AttentionDescription a = describe_block(c, layer).attention;
  if (a.rope) {
    q = rotate(q, c);
    k = rotate(k, c);
  }
  if (c.query_scale_beta != 0.0) {
    const at::Tensor turns = (at::arange(h.size(0), at::kDouble) / c.query_scale_context).floor();
    q = q * (1.0 + c.query_scale_beta * (turns + 1.0).log()).view({-1, 1, 1});
  }
  const at::Tensor scores = at::matmul(q.transpose(0, 1), spread(k).transpose(1, 2)) / std::sqrt(c.head_dim);
  const at::Tensor all = at::ones({h.size(0), h.size(0)}, at::kBool);
  at::Tensor unseen = all.triu(1);
  if (a.window > 0) unseen = unseen.logical_or(all.tril(-a.window));
  at::Tensor p = at::softmax(scores.masked_fill(unseen, -INFINITY), -1);
  if (edit) p = edit(p);
  const at::Tensor heads = at::matmul(p, spread(v)).transpose(0, 1).reshape({h.size(0), -1});
  const auto product = [&](const at::Tensor& t, Role weight, Role bias) {
    const at::Tensor y = at::matmul(t, load(weight).t());
    return checkpoint.has(bias) ? y + load(bias) : y;
  };
  const at::Tensor middle = h + product(heads, Role::attention_output, Role::output_bias);
  const at::Tensor y = rms_norm(middle, load(Role::mlp_norm), c.norm_eps);
  if (checkpoint.has(Role::router, layer)) return middle + autograd_mixture(checkpoint, layer, y);
  const at::Tensor gate = product(y, Role::gate, Role::gate_bias), up = product(y, Role::up, Role::up_bias);
  return middle + product(at::silu(gate) * up, Role::down, Role::down_bias);
}

/// Logits (tokens, vocab) of state L.
inline at::Tensor autograd_logits(const Checkpoint& checkpoint, const at::Tensor& h) {
  const at::Tensor x = rms_norm(h, load_double(checkpoint, Role::final_norm), checkpoint.config().norm_eps);
  const Role role = checkpoint.has(Role::unembedding) ? Role::unembedding : Role::embedding;
  return at::matmul(x, load_double(checkpoint, role).t());
}

}  // namespace strata::test
