#include "tests/support/plain_backend.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "strata/model/backward.h"
#include "strata/model/block.h"
#include "strata/model/cpu_backend.h"
#include "strata/model/head.h"
#include "tests/support/plain_network.h"

namespace strata::test {
namespace {

class PlainMatrix final : public BackendMatrix {
 public:
  PlainMatrix(std::int64_t rows, std::int64_t columns)
      : values_(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns),
                std::numeric_limits<float>::quiet_NaN()) {}
  [[nodiscard]] const Backend& backend() const override { return plain_backend(); }
  [[nodiscard]] ComputeDType dtype() const override { return ComputeDType::float32; }
  [[nodiscard]] std::int64_t rows() const override { return static_cast<std::int64_t>(values_.rows); }
  [[nodiscard]] std::int64_t columns() const override { return static_cast<std::int64_t>(values_.cols); }
  void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) override {
    for (std::int64_t i = 0; i < count; ++i) {
      std::copy_n(from + i * stride, columns(), values_.row(static_cast<std::size_t>(first + i)).begin());
    }
  }
  void read_row(std::int64_t row, float* out) const override {
    const auto values = values_.row(static_cast<std::size_t>(row));
    std::copy(values.begin(), values.end(), out);
  }

 private:
  FloatMatrix values_;
};

void to_floats(const Matrix& from, float* out) {
  for (const double value : from.data) *out++ = static_cast<float>(value);
}

// One head's part of AttentionSums, from probabilities of (queries, keys) of which a query sees `window`, or
// all before it (0).
void add_sums(const Matrix& p, std::size_t window, std::span<const float> keep, std::span<double> distance,
              std::span<double> entropy) {
  const auto left_out = [&](std::size_t i, std::size_t j) {
    return (window > 0 && i - j >= window) || (!keep.empty() && keep[j] == 0.0f);
  };
  for (std::size_t i = 0; i < p.rows; ++i) {
    double total = 0.0, keys = 0.0, away = 0.0, weighted = 0.0, spread = 0.0;
    for (std::size_t j = 0; j <= i; ++j) {
      if (left_out(i, j)) continue;
      total += p(i, j);
      keys += 1.0;
      away += static_cast<double>(i - j);
    }
    for (std::size_t j = 0; j <= i; ++j) {
      if (left_out(i, j) || p(i, j) == 0.0) continue;
      const double share = p(i, j) / total;
      weighted += share * static_cast<double>(i - j);
      spread -= share * std::log(share);
    }
    const bool undefined = keys < 2.0;
    distance[i] += undefined ? std::numeric_limits<double>::quiet_NaN() : weighted / (away / keys);
    entropy[i] += undefined ? std::numeric_limits<double>::quiet_NaN() : spread / std::log(keys);
  }
}

// The window's edge of one head: the mass on the oldest keys over a uniform spread's.
void add_edge(const Matrix& p, std::size_t window, std::span<double> edge) {
  const std::size_t oldest = std::max<std::size_t>(1, window / 8);
  for (std::size_t i = 0; i < p.rows; ++i) {
    double mass = i + 1 < window ? std::numeric_limits<double>::quiet_NaN() : 0.0;
    for (std::size_t j = 0; j < oldest && i + 1 >= window; ++j) mass += p(i, i + 1 - window + j);
    edge[i] += mass / (static_cast<double>(oldest) / static_cast<double>(window));
  }
}

void show_routing(const PlainLooks& looks, std::size_t used, Routing& routing) {
  routing.probability.assign(looks.probability.data.begin(), looks.probability.data.end());
  routing.chosen.clear();
  routing.weight.clear();
  for (std::size_t t = 0; t < looks.taken.rows; ++t) {
    std::vector<std::int32_t> order(looks.taken.cols);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
      return looks.taken(t, static_cast<std::size_t>(a)) > looks.taken(t, static_cast<std::size_t>(b));
    });
    for (std::size_t s = 0; s < used; ++s) {
      routing.chosen.push_back(order[s]);
      routing.weight.push_back(static_cast<float>(looks.taken(t, static_cast<std::size_t>(order[s]))));
    }
  }
}

void show_directions(const PlainLooks& looks, Matrix sum, float* out) {
  std::ranges::fill(sum.data, 0.0);
  for (std::size_t e = 0; e < looks.expert_out.size(); ++e) {
    const Matrix& part = looks.expert_out[e];
    for (std::size_t t = 0; t < part.rows; ++t) {
      if (looks.taken(t, e) == 0.0) continue;
      double square = 0.0;
      for (const double x : part.row(t)) square += x * x;
      for (std::size_t i = 0; i < part.cols; ++i) sum(t, i) += part(t, i) / std::sqrt(square);
    }
  }
  to_floats(sum, out);
}

void show_delta(const PlainLooks& looks, const DeltaSums& sums) {
  const auto mean = [](const Matrix& m, std::size_t t) {
    double sum = 0.0;
    for (const double x : m.row(t)) sum += x / static_cast<double>(m.cols);
    return sum;
  };
  for (std::size_t t = 0; t < looks.memory.rows; ++t) {
    if (!sums.decay.empty()) sums.decay[t] = mean(looks.decay, t);
    if (!sums.strength.empty()) sums.strength[t] = mean(looks.strength, t);
    if (!sums.memory.empty()) sums.memory[t] = mean(looks.memory, t);
    if (!sums.surprise.empty())
      sums.surprise[t] = std::sqrt(mean(looks.unexpected, t) / mean(looks.magnitude, t));
  }
}

// The block with what the hooks change of it.
PlainBlock edited_block(const BlockWeights& weights, std::int64_t tokens, const BlockHooks& hooks) {
  PlainBlock block = plain_block(weights);
  block.skip_mixer = hooks.skip_mixer;
  block.skip_feed_forward = hooks.skip_feed_forward;
  block.dropped_expert = static_cast<int>(hooks.dropped_expert);
  if (hooks.frozen_routing == nullptr || block.experts.empty()) return block;
  const Routing& fixed = *hooks.frozen_routing;
  const auto used = static_cast<std::size_t>(weights.block.feed_forward.experts_used);
  block.routes = Matrix(static_cast<std::size_t>(tokens), block.experts.size());
  for (std::size_t i = 0; i < fixed.chosen.size(); ++i)
    block.routes(i / used, static_cast<std::size_t>(fixed.chosen[i])) = fixed.weight[i];
  return block;
}

Weight packed(const Weight& weight) {
  PackedMatrix matrix(ComputeDType::float32, weight.rows(), weight.columns());
  matrix.put_rows(0, weight.rows(), weight.unpack().data(), weight.columns());
  return matrix;
}

class PlainBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "plain"; }
  [[nodiscard]] std::string why_not(ComputeDType dtype) const override {
    return dtype == ComputeDType::float32 ? "" : "plain loops compute in float32 alone";
  }
  [[nodiscard]] std::uint64_t library_bytes() const override { return 1 << 20; }
  [[nodiscard]] std::shared_ptr<BackendMatrix> make_matrix(ComputeDType, std::int64_t rows,
                                                           std::int64_t columns) const override {
    return std::make_shared<PlainMatrix>(rows, columns);
  }

  void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                     BlockScratch&) const override {
    for (const auto& [h_in, h_out, tokens, hooks] : windows)
      forward_window(weights, rope, h_in, h_out, tokens, hooks);
  }
  void forward_window(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                      std::int64_t tokens, const BlockHooks& hooks) const {
    const auto reach = static_cast<std::size_t>(weights.block.attention.window);
    const auto see = [&](int head, Matrix& p) {
      if (hooks.sums != nullptr) {
        add_sums(p, reach, {}, hooks.sums->distance_all, hooks.sums->entropy_all);
        add_sums(p, reach, hooks.sums->keep, hooks.sums->distance_reduced, hooks.sums->entropy_reduced);
        if (!hooks.sums->window_edge.empty()) add_edge(p, reach, hooks.sums->window_edge);
      }
      if (hooks.edit_attention == nullptr) return;
      std::vector<float> row;
      for (std::size_t query = 0; query < p.rows; ++query) {
        row.assign(p.row(query).begin(), p.row(query).end());
        (*hooks.edit_attention)(head, static_cast<std::int64_t>(query), row.data());
        std::copy(row.begin(), row.end(), p.row(query).begin());
      }
    };
    const auto hidden = static_cast<std::size_t>(weights.block.hidden);
    const Matrix h = to_matrix({h_in, static_cast<std::size_t>(tokens) * hidden}, hidden);
    PlainBlock block = edited_block(weights, tokens, hooks);
    PlainLooks looks;
    block.looks = &looks;
    to_floats(forward(block, plain_positions(rope, tokens), h, see), h_out);
    if (hooks.delta_sums != nullptr) show_delta(looks, *hooks.delta_sums);
    if (looks.taken.rows == 0) return;
    if (hooks.routing != nullptr)
      show_routing(looks, static_cast<std::size_t>(weights.block.feed_forward.experts_used), *hooks.routing);
    if (hooks.expert_directions != nullptr) show_directions(looks, h, hooks.expert_directions);
  }
  // By the processor's kernels, on weights packed again.
  void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                      std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                      const BackwardOptions& options) const override {
    BlockWeights copy = weights;
    for (Weight* w : matrices_of(copy)) *w = packed(*w);
    for (Weight* w : exact_matrices_of(copy)) *w = packed(*w);
    cpu::backward_block(copy, rope, h, gradients, tokens, scratch, options);
  }
  void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                      float* out, LogitScratch& scratch) const override {
    const PlainHead plain = plain_head(head);
    const Matrix x = to_matrix({h, static_cast<std::size_t>(rows * config.hidden)},
                               static_cast<std::size_t>(config.hidden));
    to_floats(plain_norm(x, plain.final_norm, config.norm_eps), scratch.normed.data());
    to_floats(logits(plain, config, x), out);
  }
  void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                       const float* d_logits, float* d_h, LogitScratch& scratch) const override {
    HeadWeights copy = head;
    copy.unembedding = packed(head.unembedding);
    cpu::backward_logits(copy, config, h, rows, d_logits, d_h, scratch);
  }
  [[nodiscard]] double rate(ComputeDType, std::int64_t, std::int64_t, std::int64_t, double,
                            int) const override {
    return 1e9;
  }
};

}  // namespace

const Backend& plain_backend() {
  static const PlainBackend backend;
  return backend;
}

}  // namespace strata::test
