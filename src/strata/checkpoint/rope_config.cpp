// Rotary positions of config.json. Newer transformers (5.x) put rope_theta, rope_type and the scaling
// numbers under rope_parameters; older files have rope_theta at the top and the rest under rope_scaling.
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "strata/base/error.h"
#include "strata/checkpoint/config_reader.h"
#include "strata/checkpoint/limits.h"

namespace strata {
namespace {

using nlohmann::json;

// "type" is the older word for "rope_type"; both may be there if they agree. Neither means "default".
std::string read_type(const ConfigReader& section) {
  if (!section.has("rope_type") && !section.has("type")) return "default";
  const char* key = section.has("rope_type") ? "rope_type" : "type";
  const json& value = section.require(key, "the rope type");
  if (!value.is_string()) section.fail(key, value, "a name");
  if (section.has_value("type") && section.require("type", "") != value) {
    section.fail("type", section.require("type", ""), "the same as rope_type");
  }
  return value.get<std::string>();
}

// The top level wins over the section (standardize_rope_params of transformers 5).
double original_context(const ConfigReader& file, const ConfigReader& section, const Family& family,
                        std::int64_t max_context) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (file.has(kKey)) return static_cast<double>(file.integer(kKey, kMaxContext));
  if (family.defaults.original_context > 0) return static_cast<double>(family.defaults.original_context);
  if (section.has(kKey)) return static_cast<double>(section.integer(kKey, kMaxContext));
  return static_cast<double>(max_context);
}

// m(s) of Peng et al. 2023, section 3.4: what attention gains where `factor` times the text is read.
double yarn_gain(double factor, double scale) {
  return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

// What the section says, as far as the model computes it.
struct Scaling {
  std::optional<Llama3Rope> llama3;
  std::optional<ScaledRope> other;
};

class ScalingReader {
 public:
  ScalingReader(const ConfigReader& file, const ConfigReader& section, const Family& family,
                const ModelConfig& config)
      : file_(file), section_(section), family_(family), config_(config) {}

  [[nodiscard]] Scaling read(std::vector<std::string>& notes) const {
    const std::string type = read_type(section_);
    if (type == "default") {
      if (section_.has_value("factor") && section_.require("factor", "") != json(1)) {
        notes.push_back("config.json: rope factor " + ConfigReader::show(section_.require("factor", "")) +
                        " is not used, as in transformers: the rope type is default");
      }
      return {};
    }
    if (family_.longrope_alone) {
      if (type == "longrope" || type == "su" || type == "yarn") return {.other = longrope()};
      section_.refuse("rope_type", ConfigReader::show(type), "\"default\" or \"longrope\"");
    }
    if (type == "llama3") return {.llama3 = llama3()};
    if (type == "linear") return {.other = linear()};
    if (type == "dynamic") return {.other = dynamic()};
    if (type == "yarn") return {.other = yarn()};
    if (type == "longrope") return {.other = longrope()};
    section_.refuse("rope_type", ConfigReader::show(type),
                    "\"default\", \"llama3\", \"linear\", \"dynamic\", \"yarn\" or \"longrope\"");
  }

 private:
  [[nodiscard]] double original() const {
    return original_context(file_, section_, family_, config_.max_context);
  }
  [[nodiscard]] double positive_or(const char* key, double otherwise) const {
    return section_.has_value(key) && section_.require(key, "") != json(0) ? section_.positive(key)
                                                                           : otherwise;
  }
  // How many times longer than the original context the model's texts are, where the file does not say.
  [[nodiscard]] double factor_or_ratio() const {
    return positive_or("factor", static_cast<double>(config_.max_context) / original());
  }

  [[nodiscard]] Llama3Rope llama3() const {
    Llama3Rope rope;
    rope.factor = section_.positive("factor");
    rope.low_freq_factor = section_.positive("low_freq_factor");
    rope.high_freq_factor = section_.positive("high_freq_factor");
    rope.original_context = original();
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      section_.fail("high_freq_factor", rope.high_freq_factor, "more than low_freq_factor");
    }
    return rope;
  }
  [[nodiscard]] std::optional<ScaledRope> linear() const {
    const double factor = section_.positive("factor");
    if (factor == 1.0) return std::nullopt;
    return ScaledRope{.type = RopeType::linear, .factor = factor};
  }
  // transformers takes max_position_embeddings here, whatever the section says (5.24).
  [[nodiscard]] ScaledRope dynamic() const {
    if (rotated_dims(config_) <= 2)
      section_.refuse("rope_type", "dynamic in heads of 2", "a larger head_dim");
    return {.type = RopeType::dynamic,
            .factor = section_.positive("factor"),
            .original_context = static_cast<double>(config_.max_context)};
  }
  [[nodiscard]] std::optional<ScaledRope> yarn() const {
    ScaledRope rope{.type = RopeType::yarn, .factor = factor_or_ratio(), .original_context = original()};
    rope.beta_fast = positive_or("beta_fast", 32.0);
    rope.beta_slow = positive_or("beta_slow", 1.0);
    rope.truncate = section_.flag("truncate").value_or(true);
    if (rope.beta_fast < rope.beta_slow) section_.fail("beta_fast", rope.beta_fast, "at least beta_slow");
    const double scale = positive_or("mscale", 0.0), all = positive_or("mscale_all_dim", 0.0);
    const double gain = scale > 0.0 && all > 0.0 ? yarn_gain(rope.factor, scale) / yarn_gain(rope.factor, all)
                                                 : yarn_gain(rope.factor, 1.0);
    rope.attention_factor =
        section_.has_value("attention_factor") ? section_.positive("attention_factor") : gain;
    if (config_.rope_theta <= 1.0) section_.refuse("rope_type", "yarn with rope_theta up to 1", "more");
    if (rope.factor == 1.0 && rope.attention_factor == 1.0) return std::nullopt;
    return rope;
  }
  [[nodiscard]] ScaledRope longrope() const {
    ScaledRope rope{.type = RopeType::longrope, .original_context = original()};
    rope.short_factors = divisors("short_factor");
    rope.long_factors = divisors("long_factor");
    const double factor = factor_or_ratio();
    const double gain =
        factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(rope.original_context));
    rope.attention_factor =
        section_.has_value("attention_factor") ? section_.positive("attention_factor") : gain;
    if (!std::isfinite(rope.attention_factor))
      section_.fail("original_max_position_embeddings", rope.original_context, "more than 1");
    return rope;
  }
  [[nodiscard]] std::vector<double> divisors(const char* key) const {
    const auto count = static_cast<std::size_t>(rotated_dims(config_) / 2);
    const std::string expected = fmt::format("a list of {} numbers above 0, one for each frequency", count);
    const json& list = section_.require(key, expected);
    std::vector<double> values;
    for (const json& value : list.is_array() ? list : json::array()) {
      if (value.is_number() && value.get<double>() > 0.0) values.push_back(value.get<double>());
    }
    if (values.size() != count || list.size() != count) section_.fail(key, list, expected);
    return values;
  }

  const ConfigReader& file_;
  const ConfigReader& section_;
  const Family& family_;
  const ModelConfig& config_;
};

// The first dimensions of a head, an even number of them, as the section or the top level says.
int read_rotary_dim(const ConfigReader& file, const std::optional<ConfigReader>& section,
                    const Family& family, const ModelConfig& config) {
  constexpr const char* kKey = "partial_rotary_factor";
  const ConfigReader& from = section && section->has_value(kKey) ? *section : file;
  const double share = from.has_value(kKey) ? from.positive(kKey) : family.rotary_share;
  const auto dims = static_cast<int>(config.head_dim * std::min(share, 2.0));
  if (dims < 2 || dims > config.head_dim || dims % 2 != 0) {
    from.fail(kKey, share,
              fmt::format("a share of head_dim = {} that is an even number from 2", config.head_dim));
  }
  return dims;
}

bool same(const Scaling& x, const Scaling& y) {
  const auto &a = x.llama3, &b = y.llama3;
  if (x.other != y.other || a.has_value() != b.has_value()) return false;
  return !a || (a->factor == b->factor && a->low_freq_factor == b->low_freq_factor &&
                a->high_freq_factor == b->high_freq_factor && a->original_context == b->original_context);
}

// A file may carry both spellings (converted files do); they must then say the same.
class ThetaSources {
 public:
  void add(const ConfigReader& from) {
    if (!from.has("rope_theta")) return;
    if (!from.has_value("rope_theta")) {
      null_ = &from;
      return;
    }
    const double value = from.positive("rope_theta");
    if (theta_ && *theta_ != value) {
      from.fail("rope_theta", value, fmt::format("{}, as elsewhere in the file", *theta_));
    }
    theta_ = value;
  }
  // null is no value where another place has one (transformers 5 writes both), and an error where none has.
  [[nodiscard]] double get(double otherwise) const {
    if (!theta_ && null_ != nullptr) return null_->positive("rope_theta");
    return theta_.value_or(otherwise);
  }

 private:
  std::optional<double> theta_;
  const ConfigReader* null_ = nullptr;  // a place that has null
};

}  // namespace

const char* to_string(RopeType type) {
  switch (type) {
    case RopeType::linear:
      return "linear";
    case RopeType::dynamic:
      return "dynamic";
    case RopeType::yarn:
      return "yarn";
    case RopeType::longrope:
      return "longrope";
  }
  return "";
}

const char* rope_scaling_name(const ModelConfig& config) {
  if (config.scaled_rope) return to_string(config.scaled_rope->type);
  if (config.rope_scaling) return "llama3";
  return config.rope_factors.empty() ? "none" : "factors";
}

std::vector<float> llama3_rope_factors(double theta, int head_dim, const Llama3Rope& s) {
  std::vector<float> factors;
  for (int i = 0; i < head_dim; i += 2) {
    const double wavelength = 2.0 * std::numbers::pi * std::pow(theta, static_cast<double>(i) / head_dim);
    const double turns = s.original_context / wavelength;
    double factor = 1.0;
    if (turns < s.low_freq_factor) {
      factor = s.factor;
    } else if (turns <= s.high_freq_factor) {
      const double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      factor = 1.0 / ((1.0 - smooth) / s.factor + smooth);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

void read_rope(const ConfigReader& file, const Family& family, ModelConfig& config) {
  const auto older = file.section("rope_scaling");
  const auto newer = file.section("rope_parameters");
  ThetaSources theta;
  theta.add(file);
  for (const auto* section : {&older, &newer}) {
    if (*section) theta.add(**section);
  }
  config.rope_theta = theta.get(family.defaults.rope_theta);
  if (family.rotary_share > 0.0)
    config.rotary_dim = read_rotary_dim(file, newer ? newer : older, family, config);
  Scaling scaling;
  if (older) scaling = ScalingReader(file, *older, family, config).read(config.notes);
  if (newer) {
    const Scaling said = ScalingReader(file, *newer, family, config).read(config.notes);
    if (older && !same(scaling, said)) {
      file.fail("rope_parameters", "another scaling than rope_scaling", "the same in both");
    }
    scaling = said;
  }
  config.rope_scaling = scaling.llama3;
  config.scaled_rope = scaling.other;
  if (!family.scales_queries) return;
  // The class has a whole section as default, of one published model.
  if (!older && !newer) (void)file.require("rope_parameters", "the section of rotary positions");
  const ConfigReader& section = newer ? *newer : *older;
  constexpr const char* kBeta = "llama_4_scaling_beta";
  const json& beta = section.require(kBeta, "a number, 0 or more");
  if (!beta.is_number() || !(beta.get<double>() >= 0.0)) section.fail(kBeta, beta, "a number, 0 or more");
  config.query_scale_beta = beta.get<double>();
  config.query_scale_context = original_context(file, section, family, config.max_context);
}

}  // namespace strata
