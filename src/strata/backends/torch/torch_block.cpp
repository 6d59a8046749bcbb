#include "strata/backends/torch/torch_block.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "strata/backends/torch/torch_device.h"
#include "strata/backends/torch/torch_matrix.h"
#include "strata/base/error.h"
#include "strata/model/backward.h"

namespace strata {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Scores of one window that are held at once, in elements: heads are taken in pieces.
constexpr std::int64_t kScoresAtOnce = 1 << 25;

at::Tensor host(const float* values, at::IntArrayRef shape) {
  // from_blob asks for a pointer that may be written to; nothing here does.
  return at::from_blob(const_cast<float*>(values), shape, at::kFloat);
}

void to_host(const at::Tensor& values, float* out) {
  at::from_blob(out, values.sizes(), at::kFloat).copy_(values);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * at::rsqrt(x.square().mean(-1, true) + eps) * weight;
}

// (n, rows of w) = x (n, columns of w) * w^T, operands in the dtype of w.
at::Tensor product(const at::Tensor& x, const Weight& w) {
  const at::Tensor& weight = tensor_of(w);
  return at::linear(x.to(weight.scalar_type()), weight).to(at::kFloat);
}
at::Tensor product(const at::Tensor& x, const Weight& w, const WeightVector& bias) {
  const at::Tensor y = product(x, w);
  return bias.defined() ? y + tensor_of(bias) : y;
}

struct Block {
  const BlockWeights& w;
  const RopeTable& rope;
  std::int64_t n;
  HeadLayout layout = HeadLayout(w.block.attention);
  double eps = w.block.norm_eps;
  bool frozen_routing = false;  // the weights of the experts taken are constants
  at::Device device = tensor_of(w.attention_norm).device();
  at::ScalarType operand = tensor_of(w.qkv.defined() ? w.qkv : w.delta.qkv).scalar_type();

  // (heads, n, dim): `count` heads from column `first` of rows of q, k and v.
  [[nodiscard]] at::Tensor heads(const at::Tensor& rows, std::int64_t first, std::int64_t count) const {
    return rows.narrow(1, first, count * layout.dim).view({n, count, layout.dim}).transpose(0, 1);
  }

  // Rotates (heads, n, dim): pairs (i, i + rotated/2).
  [[nodiscard]] at::Tensor rotated(const at::Tensor& x) const {
    const std::int64_t half = layout.rotated / 2;
    const RopeTable::View view = rope.of(n);  // copied: autograd keeps the angles longer than the view does
    const at::Tensor cos = host(view.cos, {n, half}).to(device, at::kFloat, false, true),
                     sin = host(view.sin, {n, half}).to(device, at::kFloat, false, true);
    const at::Tensor low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
    return at::cat(
        {low * cos - high * sin, high * cos + low * sin, x.narrow(2, 2 * half, layout.dim - 2 * half)}, 2);
  }

  // (queries, keys): those that a query does not see.
  [[nodiscard]] at::Tensor unseen() const {
    const at::Tensor all = at::ones({n, n}, at::TensorOptions(at::kBool).device(device));
    const at::Tensor future = all.triu(1);
    return layout.window == 0 ? future : future.logical_or(all.tril(-layout.window));
  }

  [[nodiscard]] at::Tensor attention(const at::Tensor& rows, const BlockHooks& hooks) const;
  void add_statistics(const at::Tensor& scores, const at::Tensor& hidden, const AttentionSums& sums) const;
  [[nodiscard]] at::Tensor edited(const at::Tensor& probability, std::int64_t head,
                                  const AttentionEdit& edit) const;

  [[nodiscard]] static at::Tensor mlp(const at::Tensor& x, const MlpWeights& m) {
    const at::Tensor gate = product(x, m.gate, m.gate_bias), up = product(x, m.up, m.up_bias);
    return product(at::silu(gate) * up, m.down, m.down_bias);
  }
  [[nodiscard]] at::Tensor mixture(const at::Tensor& x, const BlockHooks& hooks) const;

  [[nodiscard]] at::Tensor delta_rule(const at::Tensor& x, const BlockHooks& hooks) const;

  [[nodiscard]] at::Tensor mixer(const at::Tensor& x, const BlockHooks& hooks) const {
    if (w.block.mixer == Mixer::delta_rule) return product(delta_rule(x, hooks), w.delta.output);
    at::Tensor attended = attention(product(x, w.qkv, w.qkv_bias), hooks);
    if (w.query_gate.defined()) attended = attended * at::sigmoid(product(x, w.query_gate));
    return product(attended, w.attention_output, w.output_bias);
  }

  [[nodiscard]] at::Tensor forward(const at::Tensor& h, const BlockHooks& hooks) const {
    at::Tensor middle = h;
    if (!hooks.skip_mixer) middle = h + mixer(rms_norm(h, tensor_of(w.attention_norm), eps), hooks);
    if (hooks.skip_feed_forward) return middle;
    const at::Tensor normed = rms_norm(middle, tensor_of(w.mlp_norm), eps);
    return middle + (w.block.feed_forward.experts > 0 ? mixture(normed, hooks) : mlp(normed, w.mlp));
  }
};

// (n, k) chosen experts and their weights; the routes are given or shown where the hooks ask for it.
std::pair<at::Tensor, at::Tensor> routes_of(const Block& block, const at::Tensor& x,
                                            const BlockHooks& hooks) {
  const FeedForwardDescription& f = block.w.block.feed_forward;
  if (hooks.frozen_routing != nullptr) {
    const Routing& fixed = *hooks.frozen_routing;
    const at::Tensor chosen =
        at::from_blob(const_cast<std::int32_t*>(fixed.chosen.data()), {block.n, f.experts_used}, at::kInt);
    return {chosen.to(block.device, at::kLong),
            host(fixed.weight.data(), {block.n, f.experts_used}).to(block.device)};
  }
  const at::Tensor probability = at::softmax(product(x, block.w.mixture.router), -1);
  const at::Tensor chosen =
      std::get<1>(at::sort(probability.detach(), true, -1, true)).narrow(1, 0, f.experts_used);
  at::Tensor weight = probability.gather(1, chosen);
  if (f.normalise) weight = weight / weight.sum(-1, true);
  if (block.frozen_routing) weight = weight.detach();
  if (hooks.routing != nullptr) {
    Routing& routing = *hooks.routing;
    routing.probability.resize(static_cast<std::size_t>(block.n * f.experts));
    routing.weight.resize(static_cast<std::size_t>(block.n * f.experts_used));
    to_host(probability, routing.probability.data());
    to_host(weight.contiguous(), routing.weight.data());
    const at::Tensor ids = chosen.to(at::kCPU, at::kInt).contiguous();
    routing.chosen.assign(ids.data_ptr<std::int32_t>(), ids.data_ptr<std::int32_t>() + ids.numel());
  }
  return {chosen, weight};
}

at::Tensor Block::mixture(const at::Tensor& x, const BlockHooks& hooks) const {
  const auto [chosen, weight] = routes_of(*this, x, hooks);
  at::Tensor out = at::zeros_like(x);
  at::Tensor directions = at::zeros_like(x);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    if (static_cast<std::int64_t>(e) == hooks.dropped_expert) continue;
    const at::Tensor taken = chosen.eq(static_cast<std::int64_t>(e));
    const at::Tensor tokens = taken.any(-1).nonzero().squeeze(-1);
    if (tokens.numel() == 0) continue;
    const at::Tensor scale = (weight * taken).sum(-1, true).index_select(0, tokens);
    const at::Tensor part = mlp(x.index_select(0, tokens), w.mixture.experts[e]);
    if (hooks.expert_directions != nullptr)
      directions = directions.index_add(0, tokens, part / part.norm(2, -1, true));
    out = out.index_add(0, tokens, part * scale);
  }
  if (hooks.expert_directions != nullptr) to_host(directions, hooks.expert_directions);
  if (w.block.feed_forward.shared_width == 0) return out;
  const at::Tensor open = at::sigmoid((x * tensor_of(w.mixture.shared_gate)).sum(-1, true));
  return out + open * mlp(x, w.mixture.shared);
}

// Columns of `told` (n, 4) in the order of DeltaSums' members.
void show_delta_sums(const at::Tensor& told, const DeltaSums& sums) {
  const at::Tensor values = told.to(at::kCPU, at::kDouble).t().contiguous();
  const double* from = values.data_ptr<double>();
  for (const std::span<double> to : {sums.decay, sums.strength, sums.memory, sums.surprise}) {
    std::copy_n(from, to.size(), to.begin());
    from += values.size(1);
  }
}

// (n, value_heads * value_dim), token by token.
at::Tensor Block::delta_rule(const at::Tensor& x, const BlockHooks& hooks) const {
  const DeltaDescription& d = w.block.delta;
  const std::int64_t keys = std::int64_t{d.key_heads} * d.key_dim, group = d.value_heads / d.key_heads;
  const at::Tensor raw = product(x, w.delta.qkv);
  const at::Tensor taps = tensor_of(w.delta.convolution).view({raw.size(1), d.kernel});
  at::Tensor channels = at::zeros_like(raw);
  for (std::int64_t k = 0; k < std::min<std::int64_t>(d.kernel, n); ++k) {
    const at::Tensor earlier = at::constant_pad_nd(raw.narrow(0, 0, n - k), {0, 0, k, 0});
    channels = channels + earlier * taps.select(1, d.kernel - 1 - k);
  }
  channels = at::silu(channels);
  const auto unit = [&](std::int64_t first) {
    const at::Tensor rows = channels.narrow(1, first, keys).view({n, d.key_heads, d.key_dim});
    return (rows * at::rsqrt(rows.square().sum(-1, true) + 1e-6)).repeat_interleave(group, 1);
  };
  const at::Tensor q = unit(0) / std::sqrt(static_cast<double>(d.key_dim)), k = unit(keys);
  const at::Tensor v =
      channels.narrow(1, 2 * keys, w.delta.gate.rows()).view({n, d.value_heads, d.value_dim});
  const at::Tensor both = product(x, w.delta.write_and_step);
  const at::Tensor beta = at::sigmoid(both.narrow(1, 0, d.value_heads));
  const at::Tensor keep =
      at::exp(-tensor_of(w.delta.decay) *
              at::softplus(both.narrow(1, d.value_heads, d.value_heads) + tensor_of(w.delta.step_bias)));
  at::Tensor state = at::zeros({d.value_heads, d.key_dim, d.value_dim}, x.options());
  at::Tensor memory = at::zeros({d.value_heads}, x.options());
  std::vector<at::Tensor> read, told;
  for (std::int64_t t = 0; t < n; ++t) {
    state = state * keep[t].view({-1, 1, 1});
    const at::Tensor unexpected = v[t] - (state * k[t].unsqueeze(-1)).sum(1);
    const at::Tensor change = beta[t].unsqueeze(-1) * unexpected;
    if (hooks.delta_sums != nullptr) {
      memory = memory * keep[t] + 1.0;
      const at::Tensor surprise = unexpected.square().sum().sqrt() / v[t].square().sum().sqrt();
      told.push_back(at::stack({keep[t].mean(), beta[t].mean(), memory.mean(), surprise}));
    }
    state = state + k[t].unsqueeze(-1) * change.unsqueeze(1);
    read.push_back((state * q[t].unsqueeze(-1)).sum(1));
  }
  if (hooks.delta_sums != nullptr) show_delta_sums(at::stack(told), *hooks.delta_sums);
  const at::Tensor normed =
      rms_norm(at::stack(read), tensor_of(w.delta.norm), eps).view({n, w.delta.gate.rows()});
  return normed * at::silu(product(x, w.delta.gate));
}

// (n, heads * dim), from rows of q, k and v.
at::Tensor Block::attention(const at::Tensor& rows, const BlockHooks& hooks) const {
  at::Tensor q = heads(rows, 0, layout.heads), k = heads(rows, layout.key_column(0), layout.kv_heads);
  const at::Tensor v = heads(rows, layout.value_column(0), layout.kv_heads).to(operand);
  if (w.query_norm.defined()) {
    q = rms_norm(q, tensor_of(w.query_norm), eps);
    k = rms_norm(k, tensor_of(w.key_norm), eps);
  }
  if (w.block.attention.rope) {
    q = rotated(q);
    k = rotated(k);
  }
  if (!rope.query_scale.empty()) q = q * host(rope.query_scale.data(), {n, 1}).to(device);
  q = q.to(operand);
  k = k.to(operand);
  const std::int64_t group = layout.group();
  const at::Tensor hidden = unseen();
  const std::int64_t at_once = std::clamp<std::int64_t>(kScoresAtOnce / (group * n * n), 1, layout.kv_heads);
  std::vector<at::Tensor> attended;
  for (std::int64_t kv = 0; kv < layout.kv_heads; kv += at_once) {
    const std::int64_t count = std::min(at_once, layout.kv_heads - kv);
    // The query heads of a key-value head are rows of one product.
    const at::Tensor queries = q.narrow(0, kv * group, count * group).reshape({count, group * n, layout.dim});
    const at::Tensor scores = (at::bmm(queries, k.narrow(0, kv, count).transpose(1, 2)).to(at::kFloat) *
                               static_cast<double>(layout.scale))
                                  .view({count * group, n, n});
    at::Tensor probability = at::softmax(scores.masked_fill(hidden, -kInfinity), -1);
    if (hooks.sums != nullptr) add_statistics(scores, hidden, *hooks.sums);
    if (hooks.edit_attention != nullptr) {
      probability = edited(probability, kv * group, *hooks.edit_attention);
    }
    attended.push_back(at::bmm(probability.to(operand).view({count, group * n, n}), v.narrow(0, kv, count))
                           .to(at::kFloat)
                           .view({count * group, n, layout.dim}));
  }
  return at::cat(attended, 0).transpose(0, 1).reshape({n, layout.out_width});
}

// What causal_softmax adds up; see AttentionSums.
void Block::add_statistics(const at::Tensor& scores, const at::Tensor& hidden,
                           const AttentionSums& sums) const {
  const at::Tensor masked = scores.masked_fill(hidden, -kInfinity);
  const at::Tensor d = (scores - std::get<0>(masked.max(-1, true))).masked_fill(hidden, 0.0);
  const at::Tensor e = at::exp(d).masked_fill(hidden, 0.0);
  const at::Tensor position = at::arange(n, at::TensorOptions(at::kFloat).device(device));
  const at::Tensor away = (position.unsqueeze(1) - position).masked_fill(hidden, 0.0);
  const at::Tensor seen = hidden.logical_not().to(at::kFloat);
  const auto add = [&](const at::Tensor& keep, std::span<double> distance, std::span<double> entropy) {
    const at::Tensor kept = e * keep, visible = seen * keep;
    const at::Tensor weight = kept.sum(-1, false, at::kDouble), keys = visible.sum(-1, false, at::kDouble);
    const at::Tensor mean_away = (visible * away).sum(-1, false, at::kDouble) / keys;
    const at::Tensor nothing = (keys < 2.0).logical_or(weight <= 0.0);
    const auto add_heads = [&](const at::Tensor& values, std::span<double> out) {
      const at::Tensor sum =
          values.masked_fill(nothing, std::numeric_limits<double>::quiet_NaN()).sum(0).to(at::kCPU);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += sum.data_ptr<double>()[i];
    };
    add_heads((kept * away).sum(-1, false, at::kDouble) / weight / mean_away, distance);
    add_heads(
        (at::log(weight) - (kept * d).sum(-1, false, at::kDouble) / weight).clamp_min(0.0) / at::log(keys),
        entropy);
  };
  add(at::ones({n}, at::TensorOptions(at::kFloat).device(device)), sums.distance_all, sums.entropy_all);
  add(host(sums.keep.data(), {n}).to(device), sums.distance_reduced, sums.entropy_reduced);
  if (sums.window_edge.empty()) return;
  const std::int64_t window = layout.window, edge = edge_keys(window);
  const at::Tensor oldest = seen.tril(edge - window);
  const at::Tensor share = (e * oldest).sum(-1, false, at::kDouble) / e.sum(-1, false, at::kDouble) *
                           (static_cast<double>(window) / static_cast<double>(edge));
  const at::Tensor sum = share.sum(0).to(at::kCPU);
  for (std::int64_t i = 0; i < n; ++i)
    sums.window_edge[static_cast<std::size_t>(i)] +=
        i + 1 < window ? std::numeric_limits<double>::quiet_NaN() : sum.data_ptr<double>()[i];
}

// The probabilities of some heads after the edit, which works on the processor.
at::Tensor Block::edited(const at::Tensor& probability, std::int64_t head, const AttentionEdit& edit) const {
  const at::Tensor copy = at::empty(probability.sizes(), at::kFloat).copy_(probability);
  float* row = copy.data_ptr<float>();
  for (std::int64_t i = 0; i < copy.size(0); ++i) {
    for (std::int64_t query = 0; query < n; ++query, row += n) {
      edit(static_cast<int>(head + i), query, row);
    }
  }
  return copy.to(device);
}

// For each of `gradients`: replaces d/d(output) by d/d(input), both of the shape of theirs.
void pull_back(const at::Tensor& input, const at::Tensor& output, std::span<const at::Tensor> gradients,
               const std::function<void(std::size_t, const at::Tensor&)>& take) {
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const bool again = i + 1 < gradients.size();
    take(i, torch::autograd::grad({output}, {input}, {gradients[i]}, again).at(0));
  }
}

// A copy on the device whose gradient is asked for.
at::Tensor leaf(const float* values, at::IntArrayRef shape, at::Device device) {
  return host(values, shape).to(device).clone().set_requires_grad(true);
}

}  // namespace

void torch_forward_block(const BlockWeights& w, const RopeTable& rope, const float* h_in, float* h_out,
                         std::int64_t n, const BlockHooks& hooks) {
  on_device([&] {
    const Block block{.w = w, .rope = rope, .n = n};
    to_host(block.forward(host(h_in, {n, w.block.hidden}).to(block.device), hooks), h_out);
  });
}

void torch_backward_block(const BlockWeights& w, const RopeTable& rope, const float* h,
                          std::span<float* const> gradients, std::int64_t n, const BackwardOptions& options) {
  on_device([&] {
    const at::AutoGradMode grad(true);
    const Block block{.w = w, .rope = rope, .n = n, .frozen_routing = options.frozen_routing};
    const std::int64_t d = w.block.hidden;
    const at::Tensor x = leaf(h, {n, d}, block.device);
    std::vector<at::Tensor> out_gradients;
    for (const float* gradient : gradients) {
      out_gradients.push_back(host(gradient, {n, d}).to(block.device));
    }
    pull_back(x, block.forward(x, {}), out_gradients,
              [&](std::size_t i, const at::Tensor& d_h) { to_host(d_h, gradients[i]); });
  });
}

void torch_logits(const HeadWeights& head, const ModelConfig& c, const float* h, std::int64_t rows,
                  float* logits, float* normed) {
  on_device([&] {
    const at::Tensor x = host(h, {rows, c.hidden}).to(tensor_of(head.unembedding).device());
    const at::Tensor after_norm = rms_norm(x, tensor_of(head.final_norm), c.norm_eps);
    to_host(after_norm, normed);
    to_host(product(after_norm, head.unembedding), logits);
  });
}

void torch_backward_logits(const HeadWeights& head, const ModelConfig& c, const float* h, std::int64_t rows,
                           const float* d_logits, float* d_h) {
  on_device([&] {
    const at::AutoGradMode grad(true);
    const at::Device device = tensor_of(head.unembedding).device();
    const at::Tensor x = leaf(h, {rows, c.hidden}, device);
    const at::Tensor d_out = host(d_logits, {rows, head.unembedding.rows()}).to(device);
    pull_back(x, product(rms_norm(x, tensor_of(head.final_norm), c.norm_eps), head.unembedding), {&d_out, 1},
              [&](std::size_t, const at::Tensor& gradient) { to_host(gradient, d_h); });
  });
}

}  // namespace strata
