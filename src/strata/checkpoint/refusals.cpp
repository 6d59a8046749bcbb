#include "strata/checkpoint/refusals.h"

#include <fmt/format.h>

#include "strata/checkpoint/config_keys.h"

namespace strata {
namespace {

using nlohmann::json;

void refuse_flags(const ConfigReader& file, const Family& family) {
  if (const auto bias = file.flag("qkv_bias");
      bias && !family.qkv_bias_key && *bias != family.qkv_bias_default) {
    file.refuse("qkv_bias", *bias ? "true" : "false", family.qkv_bias_default ? "true" : "false");
  }
  if (const auto norm = file.flag("use_qk_norm"); norm && *norm != family.qk_norm) {
    file.refuse("use_qk_norm", *norm ? "true" : "false", family.qk_norm ? "true" : "false");
  }
}

}  // namespace

void refuse_uncomputed(const ConfigReader& file, const Family& family, ModelConfig& config) {
  check_config_keys(file, family, config.notes);
  refuse_flags(file, family);
  // Absent means silu in every configuration class; ACT2FN has it under both names.
  if (file.has_value("hidden_act") && file.require("hidden_act", "") != json("silu") &&
      file.require("hidden_act", "") != json("swish")) {
    file.refuse("hidden_act", ConfigReader::show(file.require("hidden_act", "")), "\"silu\"");
  }
  if (const auto code = file.section("auto_map")) {
    for (const char* key : {"AutoModel", "AutoModelForCausalLM"}) {
      if (!code->has_value(key)) continue;
      if (!family.published_with_code)
        code->refuse(key, "the repository's own model code", "the standard architecture");
      config.notes.push_back(
          fmt::format("config.json: auto_map.{} names code of the repository, which is not run; computed is "
                      "transformers' {}",
                      key, family.architecture));
    }
  }
}

}  // namespace strata
