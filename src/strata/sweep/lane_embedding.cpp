#include "strata/sweep/lane_embedding.h"

#include <algorithm>
#include <cmath>

#include "strata/base/parallel.h"

namespace strata {

namespace {

// The pooled states after the final norm, before their length is divided out.
struct Pooled {
  std::int64_t first = 0, end = 0;  // tokens that are pooled
  std::vector<double> scale;        // 1 / rms of each of them
  std::vector<double> sum;          // (d)
  double length = 0.0;              // of sum
};

Pooled pool_states(const HeadWeights& output, const ModelConfig& config, const float* h,
                   std::int64_t tokens) {
  const auto d = static_cast<std::size_t>(config.hidden);
  Pooled pooled;
  pooled.first = output.pooling == Pooling::last_token ? tokens - 1 : 0;
  pooled.end = output.pooling == Pooling::mean ? tokens : pooled.first + 1;
  pooled.sum.assign(d, 0.0);
  for (std::int64_t t = pooled.first; t < pooled.end; ++t) {
    const float* const row = h + static_cast<std::size_t>(t) * d;
    double square = 0.0;
    for (std::size_t i = 0; i < d; ++i) square += static_cast<double>(row[i]) * row[i];
    const double scale = 1.0 / std::sqrt(square / static_cast<double>(d) + config.norm_eps);
    for (std::size_t i = 0; i < d; ++i) pooled.sum[i] += scale * row[i] * output.final_norm.data()[i];
    pooled.scale.push_back(scale);
  }
  for (const double x : pooled.sum) pooled.length += x * x;
  pooled.length = std::sqrt(pooled.length);
  return pooled;
}

}  // namespace

std::vector<double> embedding_of(const HeadWeights& output, const ModelConfig& config, const float* h,
                                 std::int64_t tokens) {
  Pooled pooled = pool_states(output, config, h, tokens);
  for (double& x : pooled.sum) x /= pooled.length;
  return std::move(pooled.sum);
}

void embedding_gradient(const HeadWeights& output, const ModelConfig& config, const float* h,
                        std::int64_t tokens, std::span<const double> probe, float* gradient) {
  const auto d = static_cast<std::size_t>(config.hidden);
  const Pooled pooled = pool_states(output, config, h, tokens);
  // Through the length: what of the probe is along the embedding moves nothing.
  double along = 0.0;
  for (std::size_t i = 0; i < d; ++i) along += probe[i] * pooled.sum[i] / pooled.length;
  std::vector<double> weighted(d);  // of the probe, at the final norm's weights
  for (std::size_t i = 0; i < d; ++i) {
    const double of_sum = (probe[i] - along * pooled.sum[i] / pooled.length) / pooled.length;
    weighted[i] = of_sum * output.final_norm.data()[i];
  }
  std::fill_n(gradient, static_cast<std::size_t>(tokens) * d, 0.0f);
  for (std::int64_t t = pooled.first; t < pooled.end; ++t) {
    const float* const row = h + static_cast<std::size_t>(t) * d;
    const double scale = pooled.scale[static_cast<std::size_t>(t - pooled.first)];
    double inner = 0.0;
    for (std::size_t i = 0; i < d; ++i) inner += weighted[i] * row[i];
    const double back = scale * scale * scale * inner / static_cast<double>(d);
    float* const out = gradient + static_cast<std::size_t>(t) * d;
    for (std::size_t i = 0; i < d; ++i) out[i] = static_cast<float>(scale * weighted[i] - back * row[i]);
  }
}

double embedding_distance(std::span<const double> a, std::span<const double> b) {
  double square = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
  return 0.5 * square;
}

std::vector<std::vector<Damage>> compare_embeddings(const LaneEngineInput& input,
                                                    std::span<const std::int64_t> offset,
                                                    std::span<const LaneOutput> outputs) {
  const ModelConfig& config = input.context.config;
  const std::size_t lanes = outputs.size() - 1, windows = input.sample.size();
  std::vector<std::vector<Damage>> damage(lanes, std::vector<Damage>(windows));
  parallel_for(windows, input.options.threads, [&](std::size_t w) {
    const auto of = [&](const LaneOutput& output) {
      return embedding_of(output.model->head, config, output.state + offset[w] * config.hidden,
                          input.sample[w].tokens);
    };
    const std::vector<double> clean = of(outputs[0]);
    for (std::size_t lane = 0; lane < lanes; ++lane)
      damage[lane][w].distance = embedding_distance(clean, of(outputs[lane + 1]));
  });
  return damage;
}

}  // namespace strata
