#include "tests/support/plain_network.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "strata/model/rope.h"

namespace strata::test {
namespace {

std::vector<double> to_doubles(std::span<const float> values) {
  return {values.begin(), values.end()};
}

std::vector<double> load_vector(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer) {
  std::vector<double> all;
  for (const Role role : roles) {
    if (!checkpoint.has(role, layer)) continue;
    std::vector<float> values(checkpoint.element_count(role));
    checkpoint.load(role, layer, std::span(values));
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

// Stacked along their rows.
Matrix load_matrix(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer) {
  Matrix m;
  if (!checkpoint.has(*roles.begin(), layer)) return m;
  m.data = load_vector(checkpoint, roles, layer);
  m.cols = static_cast<std::size_t>(checkpoint.shape(*roles.begin()).back());
  m.rows = m.data.size() / m.cols;
  return m;
}

PlainMlp load_mlp(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer) {
  const Role* role = roles.begin();
  return {.gate = load_matrix(checkpoint, {role[0]}, layer),
          .up = load_matrix(checkpoint, {role[1]}, layer),
          .down = load_matrix(checkpoint, {role[2]}, layer)};
}

// Rows of one expert.
Matrix part_of(const Matrix& all, std::size_t expert, std::size_t experts) {
  Matrix part(all.rows / experts, all.cols);
  std::copy_n(all.data.begin() + static_cast<std::ptrdiff_t>(expert * part.data.size()), part.data.size(),
              part.data.begin());
  return part;
}

Matrix to_matrix(const Weight& weight) {
  if (!weight.defined()) return {};
  return test::to_matrix(weight.unpack(), static_cast<std::size_t>(weight.columns()));
}

PlainMlp to_mlp(const MlpWeights& w) {
  return {.gate = to_matrix(w.gate),
          .up = to_matrix(w.up),
          .down = to_matrix(w.down),
          .gate_bias = to_doubles(w.gate_bias.values),
          .up_bias = to_doubles(w.up_bias.values),
          .down_bias = to_doubles(w.down_bias.values)};
}

// x w^T.
Matrix product(const Matrix& x, const Matrix& w) {
  Matrix y(x.rows, w.rows);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < w.rows; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k < w.cols; ++k) sum += x(i, k) * w(j, k);
      y(i, j) = sum;
    }
  }
  return y;
}

void add(Matrix& x, const Matrix& y) {
  for (std::size_t i = 0; i < x.data.size(); ++i) x.data[i] += y.data[i];
}

// The columns of one head.
Matrix columns(const Matrix& x, std::size_t first, std::size_t count) {
  Matrix part(x.rows, count);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < count; ++j) part(i, j) = x(i, first + j);
  }
  return part;
}

// Hugging Face's x cos + rotate_half(x) sin.
void rotate(Matrix& x, const PlainPositions& positions) {
  const std::size_t half = positions.cos.cols;  // of the dimensions that are turned
  for (std::size_t position = 0; position < x.rows; ++position) {
    for (std::size_t i = 0; i < half; ++i) {
      const double cos = positions.cos(position, i), sin = positions.sin(position, i);
      const double low = x(position, i), high = x(position, i + half);
      x(position, i) = low * cos - high * sin;
      x(position, i + half) = high * cos + low * sin;
    }
  }
}

// (queries, keys): the softmax over the keys that each query sees, 0 elsewhere.
Matrix probabilities(const Matrix& q, const Matrix& k, std::size_t window) {
  Matrix p = product(q, k);
  for (std::size_t i = 0; i < p.rows; ++i) {
    const auto seen = [&](std::size_t j) { return j <= i && (window == 0 || i - j < window); };
    double largest = -INFINITY, sum = 0.0;
    for (std::size_t j = 0; j < p.cols; ++j) {
      p(i, j) /= std::sqrt(static_cast<double>(q.cols));
      if (seen(j)) largest = std::max(largest, p(i, j));
    }
    for (std::size_t j = 0; j < p.cols; ++j) sum += p(i, j) = seen(j) ? std::exp(p(i, j) - largest) : 0.0;
    for (std::size_t j = 0; j < p.cols; ++j) p(i, j) /= sum;
  }
  return p;
}

void add_bias(Matrix& x, const std::vector<double>& bias) {
  for (std::size_t i = 0; i < x.rows && !bias.empty(); ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) x(i, j) += bias[j];
  }
}

}  // namespace

Matrix to_matrix(std::span<const float> values, std::size_t cols) {
  Matrix m;
  m.data = to_doubles(values);
  m.rows = values.size() / cols;
  m.cols = cols;
  return m;
}

PlainBlock plain_block(const Checkpoint& checkpoint, int layer) {
  const auto vector = [&](std::initializer_list<Role> roles) {
    return load_vector(checkpoint, roles, layer);
  };
  const auto matrix = [&](std::initializer_list<Role> roles) {
    return load_matrix(checkpoint, roles, layer);
  };
  PlainBlock block{
      .block = describe_block(checkpoint.config(), layer),
      .attention_norm = vector({Role::attention_norm}),
      .qkv_bias = vector({Role::query_bias, Role::key_bias, Role::value_bias}),
      .output_bias = vector({Role::output_bias}),
      .query_norm = vector({Role::query_norm}),
      .key_norm = vector({Role::key_norm}),
      .mlp_norm = vector({Role::mlp_norm}),
      .qkv = matrix({Role::query, Role::key, Role::value}),
      .query_gate = matrix({Role::query_gate}),
      .attention_output = matrix({Role::attention_output}),
      .delta_qkv = matrix({Role::delta_qkv}),
      .delta_gate = matrix({Role::delta_gate}),
      .delta_write_and_step = matrix({Role::delta_write, Role::delta_step}),
      .delta_convolution = matrix({Role::delta_convolution}),
      .delta_output = matrix({Role::delta_output}),
      .delta_decay = vector({Role::delta_decay}),
      .delta_step_bias = vector({Role::delta_step_bias}),
      .delta_norm = vector({Role::delta_norm}),
      .mlp = load_mlp(checkpoint, {Role::gate, Role::up, Role::down}, layer),
      .shared = load_mlp(checkpoint, {Role::shared_gate, Role::shared_up, Role::shared_down}, layer),
      .router = matrix({Role::router}),
      .shared_gate = vector({Role::shared_expert_gate})};
  block.mlp.gate_bias = vector({Role::gate_bias});
  block.mlp.up_bias = vector({Role::up_bias});
  block.mlp.down_bias = vector({Role::down_bias});
  const PlainMlp all = load_mlp(checkpoint, {Role::expert_gate, Role::expert_up, Role::expert_down}, layer);
  const auto experts = static_cast<std::size_t>(block.block.feed_forward.experts);
  for (std::size_t e = 0; e < experts; ++e)
    block.experts.push_back({.gate = part_of(all.gate, e, experts),
                             .up = part_of(all.up, e, experts),
                             .down = part_of(all.down, e, experts)});
  return block;
}

PlainBlock plain_block(const BlockWeights& w) {
  PlainBlock block{.block = w.block,
                   .attention_norm = to_doubles(w.attention_norm.values),
                   .qkv_bias = to_doubles(w.qkv_bias.values),
                   .output_bias = to_doubles(w.output_bias.values),
                   .query_norm = to_doubles(w.query_norm.values),
                   .key_norm = to_doubles(w.key_norm.values),
                   .mlp_norm = to_doubles(w.mlp_norm.values),
                   .qkv = to_matrix(w.qkv),
                   .query_gate = to_matrix(w.query_gate),
                   .attention_output = to_matrix(w.attention_output),
                   .delta_qkv = to_matrix(w.delta.qkv),
                   .delta_gate = to_matrix(w.delta.gate),
                   .delta_write_and_step = to_matrix(w.delta.write_and_step),
                   .delta_output = to_matrix(w.delta.output),
                   .delta_decay = to_doubles(w.delta.decay.values),
                   .delta_step_bias = to_doubles(w.delta.step_bias.values),
                   .delta_norm = to_doubles(w.delta.norm.values),
                   .mlp = to_mlp(w.mlp),
                   .shared = to_mlp(w.mixture.shared),
                   .router = to_matrix(w.mixture.router),
                   .shared_gate = to_doubles(w.mixture.shared_gate.values)};
  if (w.block.mixer == Mixer::delta_rule) {
    block.delta_convolution =
        test::to_matrix(w.delta.convolution.values, static_cast<std::size_t>(w.block.delta.kernel));
  }
  for (const MlpWeights& expert : w.mixture.experts) block.experts.push_back(to_mlp(expert));
  return block;
}

Matrix plain_norm(const Matrix& x, std::span<const double> weight, double eps) {
  Matrix y = x;
  for (std::size_t i = 0; i < x.rows; ++i) {
    double square = 0.0;
    for (const double value : x.row(i)) square += value * value;
    const double rms = std::sqrt(square / static_cast<double>(x.cols) + eps);
    for (std::size_t j = 0; j < x.cols; ++j) y(i, j) = x(i, j) / rms * weight[j];
  }
  return y;
}

PlainPositions plain_positions(const ModelConfig& c, std::int64_t tokens) {
  const std::vector<double> frequency = rope_frequencies(c, tokens);
  const double factor = c.scaled_rope ? c.scaled_rope->attention_factor : 1.0;
  const auto n = static_cast<std::size_t>(tokens);
  PlainPositions positions{.cos = Matrix(n, frequency.size()), .sin = Matrix(n, frequency.size())};
  for (std::size_t t = 0; t < n; ++t) {
    for (std::size_t i = 0; i < frequency.size(); ++i) {
      positions.cos(t, i) = factor * std::cos(static_cast<double>(t) * frequency[i]);
      positions.sin(t, i) = factor * std::sin(static_cast<double>(t) * frequency[i]);
    }
    const double turns =
        c.query_scale_beta == 0.0 ? 0.0 : std::floor(static_cast<double>(t) / c.query_scale_context);
    positions.query_scale.push_back(1.0 + c.query_scale_beta * std::log(1.0 + turns));
  }
  return positions;
}

PlainPositions plain_positions(const RopeTable& rope, std::int64_t tokens) {
  const RopeTable::View view = rope.of(tokens);
  const auto n = static_cast<std::size_t>(tokens),
             half = rope.cos.size() / static_cast<std::size_t>(rope.positions);
  PlainPositions positions{.cos = to_matrix({view.cos, n * half}, half),
                           .sin = to_matrix({view.sin, n * half}, half),
                           .query_scale = std::vector<double>(n, 1.0)};
  if (!rope.query_scale.empty()) std::copy_n(rope.query_scale.begin(), n, positions.query_scale.begin());
  return positions;
}

Matrix forward(const PlainBlock& block, const ModelConfig& c, const Matrix& h, const SeeAttention& see) {
  return forward(block, plain_positions(c, static_cast<std::int64_t>(h.rows)), h, see);
}

namespace {

double plain_sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

Matrix attention_branch(const PlainBlock& block, const PlainPositions& positions, const Matrix& normed,
                        const SeeAttention& see) {
  const AttentionDescription& a = block.block.attention;
  const auto dim = static_cast<std::size_t>(a.head_dim), heads = static_cast<std::size_t>(a.heads),
             kv_heads = static_cast<std::size_t>(a.kv_heads);
  Matrix qkv = product(normed, block.qkv);
  add_bias(qkv, block.qkv_bias);
  const auto turned = [&](std::size_t column, const std::vector<double>& norm, bool query) {
    Matrix x = columns(qkv, column, dim);
    if (!norm.empty()) x = plain_norm(x, norm, block.block.norm_eps);
    if (a.rope) rotate(x, positions);
    for (std::size_t t = 0; query && t < x.rows; ++t) {
      for (double& value : x.row(t)) value *= positions.query_scale[t];
    }
    return x;
  };
  Matrix attended(normed.rows, heads * dim);
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t kv = head / (heads / kv_heads);
    Matrix p =
        probabilities(turned(head * dim, block.query_norm, true),
                      turned((heads + kv) * dim, block.key_norm, false), static_cast<std::size_t>(a.window));
    if (see) see(static_cast<int>(head), p);
    for (std::size_t i = 0; i < normed.rows; ++i) {
      for (std::size_t j = 0; j < dim; ++j) {
        double sum = 0.0;
        for (std::size_t key = 0; key <= i; ++key)
          sum += p(i, key) * qkv(key, (heads + kv_heads + kv) * dim + j);
        attended(i, head * dim + j) = sum;
      }
    }
  }
  if (a.output_gate) {
    const Matrix gate = product(normed, block.query_gate);
    for (std::size_t i = 0; i < gate.data.size(); ++i) attended.data[i] *= plain_sigmoid(gate.data[i]);
  }
  Matrix out = product(attended, block.attention_output);
  add_bias(out, block.output_bias);
  return out;
}

// What the causal convolution and silu make of the channels.
Matrix convolved(const Matrix& channels, const Matrix& taps) {
  Matrix out(channels.rows, channels.cols);
  for (std::size_t t = 0; t < channels.rows; ++t) {
    for (std::size_t c = 0; c < channels.cols; ++c) {
      double sum = 0.0;
      for (std::size_t k = 0; k < taps.cols && k <= t; ++k)
        sum += taps(c, taps.cols - 1 - k) * channels(t - k, c);
      out(t, c) = sum * plain_sigmoid(sum);
    }
  }
  return out;
}

// One value head: S = e^g S + k (beta (v - (e^g S)^T k))^T, o = S^T q, token by token.
void delta_head(const PlainBlock& block, const Matrix& x, const Matrix& write_and_step, std::size_t head,
                Matrix& out) {
  const DeltaDescription& d = block.block.delta;
  const auto key_dim = static_cast<std::size_t>(d.key_dim), value_dim = static_cast<std::size_t>(d.value_dim);
  const auto value_heads = static_cast<std::size_t>(d.value_heads),
             key_heads = static_cast<std::size_t>(d.key_heads);
  const std::size_t key_head = head / (value_heads / key_heads);
  const auto normalised = [&](std::size_t t, std::size_t first) {
    std::vector<double> v(key_dim);
    double square = 1e-6;
    for (std::size_t i = 0; i < key_dim; ++i) {
      v[i] = x(t, first + i);
      square += v[i] * v[i];
    }
    for (double& value : v) value /= std::sqrt(square);
    return v;
  };
  Matrix state(key_dim, value_dim);
  double memory = 0.0;
  for (std::size_t t = 0; t < x.rows; ++t) {
    const auto q = normalised(t, key_head * key_dim), k = normalised(t, (key_heads + key_head) * key_dim);
    const double beta = plain_sigmoid(write_and_step(t, head));
    const double step = write_and_step(t, value_heads + head) + block.delta_step_bias[head];
    const double keep = std::exp(-block.delta_decay[head] * std::log1p(std::exp(step)));
    for (double& value : state.data) value *= keep;
    memory = 1.0 + keep * memory;
    double unexpected = 0.0, magnitude = 0.0;
    for (std::size_t j = 0; j < value_dim; ++j) {
      double held = 0.0;
      for (std::size_t i = 0; i < key_dim; ++i) held += state(i, j) * k[i];
      const double value = x(t, 2 * key_heads * key_dim + head * value_dim + j);
      const double change = beta * (value - held);
      unexpected += (value - held) * (value - held);
      magnitude += value * value;
      double read = 0.0;
      for (std::size_t i = 0; i < key_dim; ++i) {
        state(i, j) += k[i] * change;
        read += state(i, j) * q[i] / std::sqrt(static_cast<double>(key_dim));
      }
      out(t, head * value_dim + j) = read;
    }
    if (block.looks == nullptr) continue;
    block.looks->decay(t, head) = keep;
    block.looks->strength(t, head) = beta;
    block.looks->memory(t, head) = memory;
    block.looks->unexpected(t, head) = unexpected;
    block.looks->magnitude(t, head) = magnitude;
  }
}

Matrix delta_branch(const PlainBlock& block, const Matrix& normed) {
  const DeltaDescription& d = block.block.delta;
  const auto value_dim = static_cast<std::size_t>(d.value_dim);
  const Matrix x = convolved(product(normed, block.delta_qkv), block.delta_convolution);
  const Matrix write_and_step = product(normed, block.delta_write_and_step);
  const Matrix gate = product(normed, block.delta_gate);
  Matrix out(normed.rows, gate.cols);
  if (block.looks != nullptr) {
    const Matrix empty(normed.rows, static_cast<std::size_t>(d.value_heads));
    block.looks->decay = block.looks->strength = block.looks->memory = block.looks->unexpected =
        block.looks->magnitude = empty;
  }
  for (std::size_t head = 0; head < static_cast<std::size_t>(d.value_heads); ++head) {
    delta_head(block, x, write_and_step, head, out);
    const Matrix part =
        plain_norm(columns(out, head * value_dim, value_dim), block.delta_norm, block.block.norm_eps);
    for (std::size_t t = 0; t < out.rows; ++t) {
      for (std::size_t j = 0; j < value_dim; ++j) {
        const double z = gate(t, head * value_dim + j);
        out(t, head * value_dim + j) = part(t, j) * z * plain_sigmoid(z);
      }
    }
  }
  return product(out, block.delta_output);
}

Matrix mlp_branch(const PlainMlp& mlp, const Matrix& x) {
  Matrix gate = product(x, mlp.gate), up = product(x, mlp.up);
  add_bias(gate, mlp.gate_bias);
  add_bias(up, mlp.up_bias);
  for (std::size_t i = 0; i < gate.data.size(); ++i)
    gate.data[i] *= up.data[i] / (1.0 + std::exp(-gate.data[i]));
  Matrix down = product(gate, mlp.down);
  add_bias(down, mlp.down_bias);
  return down;
}

// Every expert of every token, by its weight, which is 0 where it is not taken.
Matrix mixture_branch(const PlainBlock& block, const Matrix& x) {
  const FeedForwardDescription& f = block.block.feed_forward;
  Matrix weight = block.routes.data.empty() ? product(x, block.router) : block.routes;
  if (block.looks != nullptr) {
    block.looks->probability = Matrix(x.rows, block.experts.size());
    block.looks->expert_out.clear();
  }
  for (std::size_t t = 0; t < weight.rows && block.routes.data.empty(); ++t) {
    const auto row = weight.row(t);
    double sum = 0.0;
    for (double& p : row) sum += p = std::exp(p);
    for (double& p : row) p /= sum;
    if (block.looks != nullptr) std::ranges::copy(row, block.looks->probability.row(t).begin());
    std::vector<double> sorted(row.begin(), row.end());
    std::sort(sorted.rbegin(), sorted.rend());
    const double least = sorted[static_cast<std::size_t>(f.experts_used) - 1];
    double taken = 0.0;
    for (double& p : row) taken += p = p >= least ? p : 0.0;
    for (double& p : row) p /= f.normalise ? taken : 1.0;
  }
  if (block.looks != nullptr) block.looks->taken = weight;
  Matrix out(x.rows, x.cols);
  for (std::size_t e = 0; e < block.experts.size(); ++e) {
    const bool dropped = static_cast<int>(e) == block.dropped_expert;
    const Matrix part = dropped ? Matrix() : mlp_branch(block.experts[e], x);
    if (block.looks != nullptr) block.looks->expert_out.push_back(part);
    if (dropped) continue;
    for (std::size_t t = 0; t < x.rows; ++t) {
      for (std::size_t j = 0; j < x.cols; ++j) out(t, j) += weight(t, e) * part(t, j);
    }
  }
  if (f.shared_width == 0) return out;
  const Matrix part = mlp_branch(block.shared, x);
  for (std::size_t t = 0; t < x.rows; ++t) {
    double open = 0.0;
    for (std::size_t j = 0; j < x.cols; ++j) open += block.shared_gate[j] * x(t, j);
    for (std::size_t j = 0; j < x.cols; ++j) out(t, j) += plain_sigmoid(open) * part(t, j);
  }
  return out;
}

}  // namespace

Matrix forward(const PlainBlock& block, const PlainPositions& positions, const Matrix& h,
               const SeeAttention& see) {
  Matrix out = h;
  if (!block.skip_mixer) {
    const Matrix x = plain_norm(h, block.attention_norm, block.block.norm_eps);
    add(out, block.block.mixer == Mixer::delta_rule ? delta_branch(block, x)
                                                    : attention_branch(block, positions, x, see));
  }
  if (block.skip_feed_forward) return out;
  const Matrix normed = plain_norm(out, block.mlp_norm, block.block.norm_eps);
  add(out,
      block.block.feed_forward.experts > 0 ? mixture_branch(block, normed) : mlp_branch(block.mlp, normed));
  return out;
}

PlainHead plain_head(const Checkpoint& checkpoint) {
  const Role role = checkpoint.has(Role::unembedding) ? Role::unembedding : Role::embedding;
  return {.final_norm = load_vector(checkpoint, {Role::final_norm}, 0),
          .unembedding = load_matrix(checkpoint, {role}, 0)};
}

PlainHead plain_head(const HeadWeights& head) {
  return {.final_norm = to_doubles(head.final_norm.values), .unembedding = to_matrix(head.unembedding)};
}

Matrix logits(const PlainHead& head, const ModelConfig& c, const Matrix& h) {
  return product(plain_norm(h, head.final_norm, c.norm_eps), head.unembedding);
}

Matrix plain_embedding(const Checkpoint& checkpoint, std::span<const std::int32_t> ids) {
  const Matrix table = load_matrix(checkpoint, {Role::embedding}, 0);
  Matrix h(ids.size(), table.cols);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const auto row = table.row(static_cast<std::size_t>(ids[t]));
    std::copy(row.begin(), row.end(), h.row(t).begin());
  }
  return h;
}

void log_softmax_rows(Matrix& x) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const std::span<double> row = x.row(i);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0.0;
    for (const double value : row) sum += std::exp(value - largest);
    for (double& value : row) value -= largest + std::log(sum);
  }
}

Matrix difference_gradient(const std::function<double(const Matrix&)>& f, Matrix x) {
  constexpr double kStep = 1e-5;  // errors of 1e-10, from the third derivative and from rounding
  Matrix gradient(x.rows, x.cols);
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    const double at = x.data[i];
    x.data[i] = at + kStep;
    const double above = f(x);
    x.data[i] = at - kStep;
    gradient.data[i] = (above - f(x)) / (2.0 * kStep);
    x.data[i] = at;
  }
  return gradient;
}

}  // namespace strata::test
