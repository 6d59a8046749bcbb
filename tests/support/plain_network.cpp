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
    if (!checkpoint.has(role)) continue;
    std::vector<float> values(checkpoint.element_count(role));
    checkpoint.load(role, layer, std::span(values));
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

// Stacked along their rows.
Matrix load_matrix(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer) {
  Matrix m;
  m.data = load_vector(checkpoint, roles, layer);
  m.cols = static_cast<std::size_t>(checkpoint.shape(*roles.begin())[1]);
  m.rows = m.data.size() / m.cols;
  return m;
}

Matrix to_matrix(const Weight& weight) {
  return test::to_matrix(weight.unpack(), static_cast<std::size_t>(weight.columns()));
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
  const std::size_t half = x.cols / 2;
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
  return {.block = describe_block(checkpoint.config(), layer),
          .attention_norm = load_vector(checkpoint, {Role::attention_norm}, layer),
          .qkv_bias = load_vector(checkpoint, {Role::query_bias, Role::key_bias, Role::value_bias}, layer),
          .output_bias = load_vector(checkpoint, {Role::output_bias}, layer),
          .query_norm = load_vector(checkpoint, {Role::query_norm}, layer),
          .key_norm = load_vector(checkpoint, {Role::key_norm}, layer),
          .mlp_norm = load_vector(checkpoint, {Role::mlp_norm}, layer),
          .gate_bias = load_vector(checkpoint, {Role::gate_bias}, layer),
          .up_bias = load_vector(checkpoint, {Role::up_bias}, layer),
          .down_bias = load_vector(checkpoint, {Role::down_bias}, layer),
          .qkv = load_matrix(checkpoint, {Role::query, Role::key, Role::value}, layer),
          .attention_output = load_matrix(checkpoint, {Role::attention_output}, layer),
          .gate = load_matrix(checkpoint, {Role::gate}, layer),
          .up = load_matrix(checkpoint, {Role::up}, layer),
          .down = load_matrix(checkpoint, {Role::down}, layer)};
}

PlainBlock plain_block(const BlockWeights& w) {
  return {.block = w.block,
          .attention_norm = to_doubles(w.attention_norm.values),
          .qkv_bias = to_doubles(w.qkv_bias.values),
          .output_bias = to_doubles(w.output_bias.values),
          .query_norm = to_doubles(w.query_norm.values),
          .key_norm = to_doubles(w.key_norm.values),
          .mlp_norm = to_doubles(w.mlp_norm.values),
          .gate_bias = to_doubles(w.gate_bias.values),
          .up_bias = to_doubles(w.up_bias.values),
          .down_bias = to_doubles(w.down_bias.values),
          .qkv = to_matrix(w.qkv),
          .attention_output = to_matrix(w.attention_output),
          .gate = to_matrix(w.gate),
          .up = to_matrix(w.up),
          .down = to_matrix(w.down)};
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

Matrix forward(const PlainBlock& block, const PlainPositions& positions, const Matrix& h,
               const SeeAttention& see) {
  const AttentionDescription& a = block.block.attention;
  const double eps = block.block.norm_eps;
  const auto dim = static_cast<std::size_t>(a.head_dim), heads = static_cast<std::size_t>(a.heads),
             kv_heads = static_cast<std::size_t>(a.kv_heads);
  Matrix qkv = product(plain_norm(h, block.attention_norm, eps), block.qkv);
  add_bias(qkv, block.qkv_bias);
  const auto turned = [&](std::size_t column, const std::vector<double>& norm, bool query) {
    Matrix x = columns(qkv, column, dim);
    if (!norm.empty()) x = plain_norm(x, norm, eps);
    if (a.rope) rotate(x, positions);
    for (std::size_t t = 0; query && t < x.rows; ++t) {
      for (double& value : x.row(t)) value *= positions.query_scale[t];
    }
    return x;
  };
  Matrix attended(h.rows, heads * dim);
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t kv = head / (heads / kv_heads);
    Matrix p =
        probabilities(turned(head * dim, block.query_norm, true),
                      turned((heads + kv) * dim, block.key_norm, false), static_cast<std::size_t>(a.window));
    if (see) see(static_cast<int>(head), p);
    for (std::size_t i = 0; i < h.rows; ++i) {
      for (std::size_t j = 0; j < dim; ++j) {
        double sum = 0.0;
        for (std::size_t key = 0; key <= i; ++key)
          sum += p(i, key) * qkv(key, (heads + kv_heads + kv) * dim + j);
        attended(i, head * dim + j) = sum;
      }
    }
  }
  Matrix out = product(attended, block.attention_output);
  add_bias(out, block.output_bias);
  add(out, h);
  const Matrix normed = plain_norm(out, block.mlp_norm, eps);
  Matrix gate = product(normed, block.gate), up = product(normed, block.up);
  add_bias(gate, block.gate_bias);
  add_bias(up, block.up_bias);
  for (std::size_t i = 0; i < gate.data.size(); ++i)
    gate.data[i] *= up.data[i] / (1.0 + std::exp(-gate.data[i]));
  Matrix down = product(gate, block.down);
  add_bias(down, block.down_bias);
  add(out, down);
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
