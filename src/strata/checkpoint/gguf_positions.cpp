// Positions of a GGUF file: rotation and its scaling, sliding windows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/checkpoint/gguf_architecture.h"
#include "strata/checkpoint/limits.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

// A factor of the frequencies or the attention: above 0; 0 stands for none.
double factor_of(const ArchitectureKeys& keys, std::string_view key) {
  const double factor = keys.find_number(key).value_or(1.0);
  if (factor == 0.0) return 1.0;
  if (!(factor > 0.0)) keys.fail(key, fmt::format("{}", factor), "a number above 0");
  return factor;
}

// What llama.cpp multiplies cos and sin by, before attn_factor, where yarn stretches texts by `factor`
// (llama_context, yarn_attn_factor).
double yarn_gain(double factor, double log_multiplier) {
  const auto gain = [&](double scale) { return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0; };
  return log_multiplier == 0.0 ? gain(1.0) : gain(1.0) / gain(log_multiplier);
}

void read_yarn(const ArchitectureKeys& keys, ModelConfig& config, ScaledRope& rope) {
  const double extrapolation = keys.find_number("rope.scaling.yarn_ext_factor").value_or(1.0);
  if (extrapolation >= 0.0 && extrapolation != 1.0)
    keys.refuse("rope.scaling.yarn_ext_factor", fmt::format("{}", extrapolation), "1, or below 0 for none");
  const auto turns = [&](std::string_view key, double otherwise) {
    const double value = keys.find_number(key).value_or(otherwise);
    if (!(value > 0.0)) keys.fail(key, fmt::format("{}", value), "a number above 0");
    return value;
  };
  rope.beta_fast = turns("rope.scaling.yarn_beta_fast", rope.beta_fast);
  rope.beta_slow = turns("rope.scaling.yarn_beta_slow", rope.beta_slow);
  if (rope.beta_fast < rope.beta_slow)
    keys.fail("rope.scaling.yarn_beta_fast", fmt::format("{}", rope.beta_fast), "at least yarn_beta_slow");
  const bool scales = family_of(config).scales_queries;
  const double log_multiplier =
      scales ? keys.find_number("rope.scaling.yarn_log_multiplier").value_or(0.0) : 0.0;
  if (!(log_multiplier >= 0.0))
    keys.fail("rope.scaling.yarn_log_multiplier", fmt::format("{}", log_multiplier), "a number, 0 or more");
  const double gain = yarn_gain(rope.factor, log_multiplier);
  // llama.cpp's loader puts its own in its place; transformers means the whole factor by it.
  const double stated = factor_of(keys, "rope.scaling.yarn_attn_factor");
  if (stated != 1.0 && std::fabs(stated - gain) > 1e-6 * gain) {
    keys.refuse("rope.scaling.yarn_attn_factor", fmt::format("{}", stated),
                fmt::format("none, 1, or {}, the one that follows from the factor", gain));
  }
  rope.attention_factor *= gain;
  if (config.rope_theta <= 1.0)
    keys.refuse("rope.freq_base", fmt::format("{}", config.rope_theta), "more than 1 with yarn");
}

void read_rope_scaling(const ArchitectureKeys& keys, ModelConfig& config) {
  const std::string type = keys.name("rope.scaling.type");
  const std::string_view scaling = keys.metadata().find_string(type).value_or("linear");
  if (scaling != "none" && scaling != "linear" && scaling != "yarn" && scaling != "longrope") {
    keys.refuse("rope.scaling.type", "\"" + printable(scaling) + "\"", "none, linear, yarn or longrope");
  }
  if (scaling == "yarn" && family_of(config).longrope_alone)
    keys.refuse("rope.scaling.type", "\"yarn\"", "none or longrope");
  constexpr std::string_view kAttention = "rope.scaling.attn_factor";
  ScaledRope rope{.attention_factor = keys.find_number(kAttention).value_or(1.0)};
  if (!(rope.attention_factor > 0.0))
    keys.fail(kAttention, fmt::format("{}", rope.attention_factor), "a number above 0");
  // Linear scaling is the default, by a factor that is 1 where it is absent or 0.
  if (scaling == "linear" || scaling == "yarn") {
    rope.factor = keys.has("rope.scaling.factor") ? factor_of(keys, "rope.scaling.factor")
                                                  : factor_of(keys, "rope.scale_linear");
  }
  rope.original_context = static_cast<double>(
      keys.find_size("rope.scaling.original_context_length", kMaxContext).value_or(config.max_context));
  if (scaling == "yarn") {
    rope.type = RopeType::yarn;
    read_yarn(keys, config, rope);
  } else {
    const double stated = factor_of(keys, "rope.scaling.yarn_attn_factor");
    if (stated != 1.0) keys.refuse("rope.scaling.yarn_attn_factor", fmt::format("{}", stated), "1");
    const double extrapolation = keys.find_number("rope.scaling.yarn_ext_factor").value_or(0.0);
    if (extrapolation > 0.0)
      keys.refuse("rope.scaling.yarn_ext_factor", fmt::format("{}", extrapolation), "0 without yarn");
    const bool alone = family_of(config).longrope_alone;
    if (alone && rope.factor != 1.0)
      keys.refuse("rope.scaling.factor", fmt::format("{}", rope.factor), "1, and the factors of longrope");
    if (scaling == "longrope" || alone) rope.type = RopeType::longrope;
  }
  if (rope.type != RopeType::longrope && rope.factor == 1.0 && rope.attention_factor == 1.0) return;
  config.scaled_rope = rope;
}

}  // namespace

void read_gguf_rope(const ArchitectureKeys& keys, ModelConfig& config) {
  config.rope_theta = keys.find_number("rope.freq_base").value_or(10000.0);
  if (!(config.rope_theta > 0.0)) {
    keys.fail("rope.freq_base", fmt::format("{}", config.rope_theta), "a number above 0");
  }
  const auto turned = keys.find_size("rope.dimension_count", kMaxHeads);
  if (turned && family_of(config).rotary_share > 0.0) {
    if (*turned > config.head_dim || *turned % 2 != 0) {
      keys.fail("rope.dimension_count", fmt::format("{}", *turned),
                fmt::format("an even number up to the key length, {}", config.head_dim));
    }
    config.rotary_dim = static_cast<int>(*turned);
  } else if (turned && *turned != config.head_dim) {
    keys.refuse("rope.dimension_count", fmt::format("{}", *turned),
                fmt::format("the whole head, {}", config.head_dim));
  }
  read_rope_scaling(keys, config);
}

// The blocks with a sliding window: a flag for each, or every block but each `period`-th (llama.cpp's
// set_swa_pattern). Without either it is every block's where the family says so.
void read_gguf_window(const ArchitectureKeys& keys, const Family& family, ModelConfig& config) {
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  config.window =
      keys.metadata().find_integer(keys.name("attention.sliding_window"), 0, kMaxContext).value_or(0);
  if (config.window == 0) return;
  const auto blocks = static_cast<std::size_t>(config.n_layers);
  const auto pattern = keys.metadata().values().find(keys.name(kPattern));
  if (pattern == keys.metadata().values().end()) {
    if (family.gguf_window_everywhere) config.slides.assign(blocks, 1);
    return;
  }
  const GgufValue& value = pattern->second;
  if (value.type != GgufValueType::array) {
    const std::int64_t period = keys.metadata().integer(keys.name(kPattern), 0, kMaxLayers);
    for (std::size_t i = 0; i < blocks; ++i) {
      const auto block = static_cast<std::int64_t>(i);
      config.slides.push_back(period == 0 || block % period < period - 1 ? 1 : 0);
    }
  } else {
    if (value.element != GgufValueType::boolean || value.count != blocks)
      keys.fail(kPattern, fmt::format("{} {}", value.count, to_string(value.element)),
                fmt::format("{} booleans, one for each block", blocks));
    for (const std::byte flag : value.bytes.last(blocks))
      config.slides.push_back(flag == std::byte{0} ? 0 : 1);
  }
  if (std::find(config.slides.begin(), config.slides.end(), 1) != config.slides.end()) return;
  config.window = 0;
  config.slides.clear();
}

void read_gguf_query_scale(const ArchitectureKeys& keys, ModelConfig& config) {
  constexpr std::string_view kScale = "attention.temperature_scale";
  config.query_scale_beta = keys.find_number(kScale).value_or(0.0);
  if (!(config.query_scale_beta >= 0.0))
    keys.fail(kScale, fmt::format("{}", config.query_scale_beta), "a number, 0 or more");
  config.query_scale_context = static_cast<double>(
      keys.find_size("rope.scaling.original_context_length", kMaxContext).value_or(config.max_context));
}

}  // namespace strata
