// Rotary positions of config.json. Newer transformers (5.x) put rope_theta, rope_type and the scaling
// numbers under rope_parameters; older files have rope_theta at the top and the rest under rope_scaling.
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "strata/base/error.h"
#include "strata/checkpoint/config_reader.h"
#include "strata/checkpoint/limits.h"

namespace strata {
namespace {

using nlohmann::json;

constexpr double kDefaultTheta = 10000.0;  // RotaryEmbeddingConfigMixin.default_theta

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
double original_context(const ConfigReader& file, const ConfigReader& section, std::int64_t max_context) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (file.has(kKey)) return static_cast<double>(file.integer(kKey, kMaxContext));
  if (section.has(kKey)) return static_cast<double>(section.integer(kKey, kMaxContext));
  return static_cast<double>(max_context);
}

// Scaling by 1 is none: of linear the frequencies, of yarn the frequencies and, if it is not given, the
// factor of the attention.
bool scales_by_one(const ConfigReader& section, const std::string& type) {
  if ((type != "linear" && type != "yarn") || !section.has_value("factor")) return false;
  if (section.positive("factor") != 1.0) return false;
  return type == "linear" || !section.has_value("attention_factor") ||
         section.positive("attention_factor") == 1.0;
}

std::optional<Llama3Rope> read_scaling(const ConfigReader& file, const ConfigReader& section,
                                       std::int64_t max_context, std::vector<std::string>& notes) {
  const std::string type = read_type(section);
  if (type == "default") {
    if (section.has_value("factor") && section.require("factor", "") != json(1)) {
      notes.push_back("config.json: rope factor " + ConfigReader::show(section.require("factor", "")) +
                      " is not used, as in transformers: the rope type is default");
    }
    return std::nullopt;
  }
  if (type != "llama3") {
    if (scales_by_one(section, type)) return std::nullopt;
    section.refuse("rope_type", ConfigReader::show(type),
                   "\"default\" or \"llama3\", or \"linear\" or \"yarn\" with factor 1");
  }
  Llama3Rope rope;
  rope.factor = section.positive("factor");
  rope.low_freq_factor = section.positive("low_freq_factor");
  rope.high_freq_factor = section.positive("high_freq_factor");
  rope.original_context = original_context(file, section, max_context);
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    section.fail("high_freq_factor", rope.high_freq_factor, "more than low_freq_factor");
  }
  return rope;
}

bool same(const std::optional<Llama3Rope>& a, const std::optional<Llama3Rope>& b) {
  if (!a || !b) return !a && !b;
  return a->factor == b->factor && a->low_freq_factor == b->low_freq_factor &&
         a->high_freq_factor == b->high_freq_factor && a->original_context == b->original_context;
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
  [[nodiscard]] double get() const {
    if (!theta_ && null_ != nullptr) return null_->positive("rope_theta");
    return theta_.value_or(kDefaultTheta);
  }

 private:
  std::optional<double> theta_;
  const ConfigReader* null_ = nullptr;  // a place that has null
};

}  // namespace

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

Rope read_rope(const ConfigReader& file, std::int64_t max_context) {
  const auto scaling = file.section("rope_scaling");
  const auto parameters = file.section("rope_parameters");
  ThetaSources theta;
  theta.add(file);
  for (const auto* section : {&scaling, &parameters}) {
    if (*section) theta.add(**section);
  }
  Rope rope;
  if (scaling) rope.scaling = read_scaling(file, *scaling, max_context, rope.notes);
  if (parameters) {
    const auto from_parameters = read_scaling(file, *parameters, max_context, rope.notes);
    if (scaling && !same(rope.scaling, from_parameters)) {
      file.fail("rope_parameters", "another scaling than rope_scaling", "the same in both");
    }
    rope.scaling = from_parameters;
  }
  rope.theta = theta.get();
  return rope;
}

}  // namespace strata
