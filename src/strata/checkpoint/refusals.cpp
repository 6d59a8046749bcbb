#include "strata/checkpoint/refusals.h"

#include <fmt/format.h>

#include "strata/checkpoint/config_keys.h"
#include "strata/checkpoint/limits.h"

namespace strata {
namespace {

using nlohmann::json;

void refuse_flags(const ConfigReader& file, const Family& family) {
  if (const auto bias = file.flag("qkv_bias"); bias && *bias != family.qkv_bias_default) {
    file.refuse("qkv_bias", *bias ? "true" : "false", family.qkv_bias_default ? "true" : "false");
  }
  if (const auto norm = file.flag("use_qk_norm"); norm && *norm != family.qk_norm) {
    file.refuse("use_qk_norm", *norm ? "true" : "false", family.qk_norm ? "true" : "false");
  }
}

constexpr std::int64_t kDefaultWindow = 4096, kDefaultFirstSliding = 28;  // Qwen2Config, Qwen3Config

std::int64_t window_of(const ConfigReader& file) {
  return file.has("sliding_window") ? file.integer("sliding_window", kMaxContext) : kDefaultWindow;
}

bool any_slides_in_list(const ConfigReader& file, const Family& family, const ModelConfig& config) {
  const json& types = file.require("layer_types", "");
  if (!types.is_array() || types.size() != static_cast<std::size_t>(config.n_layers)) {
    file.fail("layer_types", types, fmt::format("a list of {} names", config.n_layers));
  }
  bool slides = false;
  for (const json& type : types) {
    if (type == json("full_attention")) continue;
    if (type != json("sliding_attention") || family.id == "llama") {
      file.refuse("layer_types", ConfigReader::show(type), "\"full_attention\" in every layer");
    }
    slides = true;
  }
  return slides;
}

// Layers with i >= max_window_layers slide when use_sliding_window is true and sliding_window is not
// null, unless layer_types lists the kinds (Qwen2Config and Qwen3Config; LlamaConfig knows neither).
std::int64_t read_window(const ConfigReader& file, const Family& family, const ModelConfig& config) {
  const bool listed = file.has_value("layer_types");
  const bool slides = listed && any_slides_in_list(file, family, config);
  if (family.id == "llama") return 0;
  const bool used = file.flag("use_sliding_window").value_or(false) && !file.is_null("sliding_window");
  if (listed) {
    if (slides && !used) {
      file.refuse("layer_types", "sliding_attention without a sliding_window in use",
                  "use_sliding_window true and sliding_window, or \"full_attention\" in every layer");
    }
    return slides ? window_of(file) : 0;
  }
  if (!used) return 0;
  std::int64_t first = kDefaultFirstSliding;
  if (file.has("max_window_layers")) {
    const json& value = file.require("max_window_layers", "an integer, 0 or more");
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
      file.fail("max_window_layers", value, "an integer, 0 or more");
    }
    first = value.get<std::int64_t>();
  }
  return first < config.n_layers ? window_of(file) : 0;
}

}  // namespace

void refuse_uncomputed(const ConfigReader& file, const Family& family, ModelConfig& config) {
  check_config_keys(file, family, config.notes);
  refuse_flags(file, family);
  config.window = read_window(file, family, config);
  // Absent means silu in all three configuration classes; ACT2FN has it under both names.
  if (file.has_value("hidden_act") && file.require("hidden_act", "") != json("silu") &&
      file.require("hidden_act", "") != json("swish")) {
    file.refuse("hidden_act", ConfigReader::show(file.require("hidden_act", "")), "\"silu\"");
  }
  if (const auto code = file.section("auto_map")) {
    for (const char* key : {"AutoModel", "AutoModelForCausalLM"}) {
      if (code->has_value(key))
        code->refuse(key, "the repository's own model code", "the standard architecture");
    }
  }
}

}  // namespace strata
