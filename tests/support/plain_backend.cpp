#include "tests/support/plain_backend.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

  void forward_block(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                     std::int64_t tokens, BlockScratch&, const BlockHooks& hooks) const override {
    const auto reach = static_cast<std::size_t>(weights.block.attention.window);
    const auto see = [&](int head, Matrix& p) {
      if (hooks.sums != nullptr) {
        add_sums(p, reach, {}, hooks.sums->distance_all, hooks.sums->entropy_all);
        add_sums(p, reach, hooks.sums->keep, hooks.sums->distance_reduced, hooks.sums->entropy_reduced);
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
    to_floats(forward(plain_block(weights), plain_positions(rope, tokens), h, see), h_out);
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
