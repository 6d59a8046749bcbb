#include "strata/model/rope.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <utility>

#include "strata/base/error.h"

namespace strata {

namespace {

constexpr std::size_t kTables = 16;  // of different lengths that are kept

std::vector<double> plain_frequencies(double theta, int head_dim) {
  std::vector<double> frequency(static_cast<std::size_t>(head_dim / 2));
  for (std::size_t i = 0; i < frequency.size(); ++i) {
    frequency[i] = std::pow(theta, -2.0 * static_cast<double>(i) / head_dim);
  }
  return frequency;
}

// The base at which the slowest wave of a text of `tokens` turns as at the original context without scaling.
double dynamic_theta(const ModelConfig& c, std::int64_t tokens) {
  const ScaledRope& s = *c.scaled_rope;
  const double length = std::max(static_cast<double>(tokens), s.original_context);
  const double stretch = s.factor * length / s.original_context - (s.factor - 1.0);
  return c.rope_theta * std::pow(stretch, c.head_dim / (c.head_dim - 2.0));
}

// Frequencies that turn often within the original context are kept, those that do not are divided by the
// factor, with a ramp between beta_fast and beta_slow turns.
void scale_yarn(const ModelConfig& c, std::vector<double>& frequency) {
  const ScaledRope& s = *c.scaled_rope;
  const auto index_of = [&](double turns) {
    return c.head_dim * std::log(s.original_context / (2.0 * std::numbers::pi * turns)) /
           (2.0 * std::log(c.rope_theta));
  };
  double low = index_of(s.beta_fast), high = index_of(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, c.head_dim - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequency.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequency[i] = ramp * frequency[i] / s.factor + (1.0 - ramp) * frequency[i];
  }
}

void scale(const ModelConfig& c, std::int64_t tokens, std::vector<double>& frequency) {
  const ScaledRope& s = *c.scaled_rope;
  switch (s.type) {
    case RopeType::linear:
      for (double& f : frequency) f /= s.factor;
      return;
    case RopeType::dynamic:
      if (static_cast<double>(tokens) > s.original_context)
        frequency = plain_frequencies(dynamic_theta(c, tokens), c.head_dim);
      return;
    case RopeType::yarn:
      return scale_yarn(c, frequency);
    case RopeType::longrope:
      const bool is_long = static_cast<double>(tokens) > s.original_context;
      const auto& factors = is_long ? s.long_factors : s.short_factors;
      for (std::size_t i = 0; i < frequency.size(); ++i) frequency[i] /= factors[i];
      return;
  }
}

RopeAngles angles_of(const std::vector<double>& frequency, std::int64_t context, double factor) {
  RopeAngles angles;
  angles.cos.reserve(static_cast<std::size_t>(context) * frequency.size());
  angles.sin.reserve(angles.cos.capacity());
  for (std::int64_t position = 0; position < context; ++position) {
    for (const double f : frequency) {
      const double angle = static_cast<double>(position) * f;
      angles.cos.push_back(static_cast<float>(factor * std::cos(angle)));
      angles.sin.push_back(static_cast<float>(factor * std::sin(angle)));
    }
  }
  return angles;
}

bool depends_on_length(const ModelConfig& c) {
  return c.scaled_rope &&
         (c.scaled_rope->type == RopeType::dynamic || c.scaled_rope->type == RopeType::longrope);
}

}  // namespace

// Tables of texts beyond the original context, by what distinguishes them.
class RopeByLength {
 public:
  RopeByLength(const ModelConfig& config, std::int64_t context) : config_(config), context_(context) {}

  [[nodiscard]] bool is_short(std::int64_t tokens) const {
    return static_cast<double>(tokens) <= config_.scaled_rope->original_context;
  }
  std::shared_ptr<const RopeAngles> of(std::int64_t tokens) {
    // longrope has one table for all of them, dynamic one for each length.
    const std::int64_t length = config_.scaled_rope->type == RopeType::longrope ? context_ : tokens;
    const std::lock_guard lock(mutex_);
    for (const auto& [of_length, table] : tables_) {
      if (of_length == length) return table;
    }
    auto table = std::make_shared<const RopeAngles>(
        angles_of(rope_frequencies(config_, tokens), length, config_.scaled_rope->attention_factor));
    if (tables_.size() == kTables) tables_.erase(tables_.begin());
    tables_.emplace_back(length, table);
    return table;
  }

 private:
  ModelConfig config_;
  std::int64_t context_;
  std::mutex mutex_;
  std::vector<std::pair<std::int64_t, std::shared_ptr<const RopeAngles>>> tables_;
};

std::vector<double> rope_frequencies(const ModelConfig& config, std::int64_t tokens) {
  std::vector<double> frequency = plain_frequencies(config.rope_theta, config.head_dim);
  for (std::size_t i = 0; i < config.rope_factors.size(); ++i) {
    frequency[i] /= static_cast<double>(config.rope_factors[i]);
  }
  if (config.scaled_rope) scale(config, tokens, frequency);
  if (!config.rope_scaling) return frequency;
  // Llama 3.1 (transformers, _compute_llama3_parameters): long waves are stretched by `factor`, short
  // ones are kept, those between are interpolated.
  const Llama3Rope& s = *config.rope_scaling;
  const double longest_kept = s.original_context / s.high_freq_factor;
  const double shortest_stretched = s.original_context / s.low_freq_factor;
  for (double& f : frequency) {
    const double wavelength = 2.0 * std::numbers::pi / f;
    if (wavelength < longest_kept) continue;
    if (wavelength > shortest_stretched) {
      f /= s.factor;
    } else {
      const double smooth =
          (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      f = (1.0 - smooth) * f / s.factor + smooth * f;
    }
  }
  return frequency;
}

RopeTable::View RopeTable::of(std::int64_t tokens) const {
  if (by_length && !by_length->is_short(tokens)) {
    auto angles = by_length->of(tokens);
    const RopeAngles& a = *angles;
    return {a.cos.data(), a.sin.data(), std::move(angles)};
  }
  STRATA_CHECK(tokens <= positions);
  return {cos.data(), sin.data(), nullptr};
}

RopeTable make_rope_table(const ModelConfig& config, int context) {
  std::int64_t rows = context;
  RopeTable table;
  if (depends_on_length(config)) {
    rows = std::min(rows, static_cast<std::int64_t>(config.scaled_rope->original_context));
    table.by_length = std::make_shared<RopeByLength>(config, context);
  }
  const double factor = config.scaled_rope ? config.scaled_rope->attention_factor : 1.0;
  RopeAngles angles = angles_of(rope_frequencies(config), rows, factor);
  table.cos = std::move(angles.cos);
  table.sin = std::move(angles.sin);
  table.positions = rows;
  for (int position = 0; config.query_scale_beta != 0.0 && position < context; ++position) {
    const double turns = std::floor(position / config.query_scale_context);
    table.query_scale.push_back(static_cast<float>(1.0 + config.query_scale_beta * std::log1p(turns)));
  }
  return table;
}

}  // namespace strata
