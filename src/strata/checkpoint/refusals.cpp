#include "strata/checkpoint/refusals.h"

#include <fmt/format.h>

#include <array>

#include "strata/base/error.h"

namespace strata {
namespace {

using nlohmann::json;

void refuse_experts(const ConfigReader& file) {
  constexpr std::array kKeys{"num_experts",           "num_local_experts",
                             "n_routed_experts",      "num_experts_per_tok",
                             "moe_intermediate_size", "shared_expert_intermediate_size",
                             "n_shared_experts"};
  for (const char* key : kKeys) {
    if (!file.has_value(key)) continue;
    const json& value = file.require(key, "");
    if (value != json(0)) file.refuse(key, ConfigReader::show(value), "no mixture of experts");
  }
}

void refuse_flags(const ConfigReader& file, const Family& family) {
  // Qwen2Config has no attention_bias; transformers ignores the key there and so does strata (the tensors
  // themselves are checked against the table).
  if (!family.qkv_bias_default && file.flag("attention_bias").value_or(false)) {
    file.refuse("attention_bias", "true", "false");
  }
  if (file.flag("mlp_bias").value_or(false)) file.refuse("mlp_bias", "true", "false");
  if (const auto bias = file.flag("qkv_bias"); bias && *bias != family.qkv_bias_default) {
    file.refuse("qkv_bias", *bias ? "true" : "false", family.qkv_bias_default ? "true" : "false");
  }
}

// Layers with i >= max_window_layers slide when use_sliding_window is true and sliding_window is not
// null, unless layer_types lists the kinds (Qwen2Config and Qwen3Config; LlamaConfig knows neither).
void refuse_sliding_window(const ConfigReader& file, const ModelConfig& config) {
  if (file.has_value("layer_types")) {
    const json& types = file.require("layer_types", "");
    if (!types.is_array() || types.size() != static_cast<std::size_t>(config.n_layers)) {
      file.fail("layer_types", types, fmt::format("a list of {} names", config.n_layers));
    }
    for (const json& type : types) {
      if (type != json("full_attention")) {
        file.refuse("layer_types", ConfigReader::show(type), "\"full_attention\" in every layer");
      }
    }
    return;
  }
  if (!file.flag("use_sliding_window").value_or(false) || file.is_null("sliding_window")) return;
  if (!file.has_value("max_window_layers")) {
    file.refuse("use_sliding_window", "true without max_window_layers", "false");
  }
  const json& first = file.require("max_window_layers", "");
  if (!first.is_number_integer() || first.get<std::int64_t>() < 0) {
    file.fail("max_window_layers", first, "an integer, 0 or more");
  }
  if (first.get<std::int64_t>() < config.n_layers) {
    file.refuse("use_sliding_window",
                fmt::format("true, with sliding-window attention from layer {} of {} on",
                            first.get<std::int64_t>(), config.n_layers),
                "full attention in every layer");
  }
}

}  // namespace

void refuse_uncomputed(const ConfigReader& file, const Family& family, const ModelConfig& config) {
  refuse_experts(file);
  refuse_flags(file, family);
  refuse_sliding_window(file, config);
  // Absent means silu in all three configuration classes.
  if (file.has_value("hidden_act") && file.require("hidden_act", "") != json("silu")) {
    file.refuse("hidden_act", ConfigReader::show(file.require("hidden_act", "")), "\"silu\"");
  }
  if (file.has_value("quantization_config")) {
    file.refuse("quantization_config", "a quantized checkpoint", "F32, F16 or BF16 weights");
  }
  if (file.has_value("pretraining_tp") && file.require("pretraining_tp", "") != json(1)) {
    file.refuse("pretraining_tp", ConfigReader::show(file.require("pretraining_tp", "")), "1");
  }
  if (const auto code = file.section("auto_map")) {
    for (const char* key : {"AutoModel", "AutoModelForCausalLM"}) {
      if (code->has_value(key))
        code->refuse(key, "the repository's own model code", "the standard architecture");
    }
  }
}

}  // namespace strata
