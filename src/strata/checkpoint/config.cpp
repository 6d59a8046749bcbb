// config.json -> ModelConfig. An absent key has the default of the configuration class of Hugging Face
// transformers 5.24 (FamilyDefaults).
#include "strata/checkpoint/config.h"

#include <fmt/format.h>

#include <cmath>

#include "strata/base/error.h"
#include "strata/checkpoint/config_keys.h"
#include "strata/checkpoint/config_reader.h"
#include "strata/checkpoint/limits.h"
#include "strata/checkpoint/other_architectures.h"
#include "strata/checkpoint/refusals.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

using nlohmann::json;

std::string known_families() {
  std::string list;
  for (const Family& family : families()) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", family.architecture);
  }
  return list;
}

// "LlamaModel" of LlamaForCausalLM; "Qwen3_5TextModel" where "Qwen3_5Model" is the multimodal one.
bool is_base_class(const Family& family, std::string_view name) {
  constexpr std::string_view kCausal = "ForCausalLM";
  const std::string_view stem = family.architecture.substr(0, family.architecture.size() - kCausal.size());
  const std::string_view ending = family.multimodal_type.empty() ? "Model" : "TextModel";
  return name.size() == stem.size() + ending.size() && name.starts_with(stem) && name.ends_with(ending);
}

// "LlamaForCausalLM", and its base class; Meta's first files say "LLaMAForCausalLM".
bool is_class_of(const Family& family, std::string_view name) {
  constexpr std::string_view kFirst = "LLaMAForCausalLM";
  return name == family.architecture || (family.id == "llama" && name == kFirst) ||
         is_base_class(family, name);
}

const Family* find_by_type(const ConfigReader& file) {
  if (!file.has_value("model_type")) return nullptr;
  const json& type = file.require("model_type", "");
  if (!type.is_string()) file.fail("model_type", type, "a name");
  for (const Family& family : families()) {
    if (family.model_type == type.get_ref<const std::string&>()) return &family;
  }
  return nullptr;
}

// The one name in architectures; empty where there is none.
std::string named_class(const ConfigReader& file) {
  if (!file.has_value("architectures")) return {};
  const json& names = file.require("architectures", "");
  const bool one = names.is_array() && names.size() == 1 && names[0].is_string();
  return one ? names[0].get<std::string>() : std::string();
}

// The family whose model is the text part of a multimodal one that this file describes.
const Family* find_multimodal(const ConfigReader& file) {
  const std::string name = named_class(file);
  for (const Family& family : families()) {
    if (family.multimodal_type.empty()) continue;
    const bool typed = file.has_value("model_type") &&
                       file.require("model_type", "") == json(std::string(family.multimodal_type));
    const bool named = name == family.multimodal_architecture;
    if (typed && (named || name.empty())) return &family;
    if (!typed && named) {
      file.refuse("model_type", ConfigReader::show(file.object().value("model_type", json())),
                  fmt::format("\"{}\"", family.multimodal_type));
    }
  }
  return nullptr;
}

// AutoConfig goes by model_type; the class must agree with it where it is named.
const Family& read_family(const ConfigReader& file) {
  const Family* by_type = find_by_type(file);
  const bool named = file.has_value("architectures") && file.object()["architectures"] != json::array();
  if (!named) {
    if (by_type != nullptr) return *by_type;
    if (!file.has_value("model_type")) (void)file.require("architectures", "a list with one name");
    const std::string type = ConfigReader::show(file.require("model_type", ""));
    file.refuse("model_type", type, "that of one of " + known_families(), what_it_needs(type));
  }
  const json& names = file.require("architectures", "");
  if (!names.is_array() || names.size() != 1 || !names[0].is_string()) {
    file.fail("architectures", names, "a list with one name");
  }
  const auto& architecture = names[0].get_ref<const std::string&>();
  for (const Family& family : families()) {
    if (!is_class_of(family, architecture)) continue;
    if (file.has_value("model_type") && by_type != &family) {
      file.refuse(
          "model_type",
          fmt::format("{} in a {}", ConfigReader::show(file.require("model_type", "")), family.architecture),
          fmt::format("\"{}\"", family.model_type));
    }
    return family;
  }
  file.refuse("architectures", printable(architecture), "one of " + known_families(),
              what_it_needs(architecture));
}

// Sizes that the tensors are compared with: a default is said.
class Sizes {
 public:
  Sizes(const ConfigReader& file, const Family& family, std::vector<std::string>& notes)
      : file_(file), family_(family), notes_(notes) {}
  [[nodiscard]] int size(const char* key, std::int64_t limit, int otherwise) const {
    if (file_.has(key)) return file_.size(key, limit);
    say(key, fmt::format("{}", otherwise));
    return otherwise;
  }
  [[nodiscard]] double positive(const char* key, double otherwise) const {
    if (file_.has(key)) return file_.positive(key);
    say(key, fmt::format("{}", otherwise));
    return otherwise;
  }

 private:
  void say(const char* key, const std::string& value) const {
    notes_.push_back(fmt::format("config.json: no {}; {}, the default of {} in transformers", key, value,
                                 family_.architecture));
  }
  const ConfigReader& file_;
  const Family& family_;
  std::vector<std::string>& notes_;
};

void read_heads(const ConfigReader& file, const Sizes& sizes, const FamilyDefaults& defaults,
                ModelConfig& config) {
  config.heads = sizes.size("num_attention_heads", kMaxHeads, defaults.heads);
  if (file.has_value("num_key_value_heads")) {
    config.kv_heads = file.size("num_key_value_heads", kMaxHeads);
  } else if (file.is_null("num_key_value_heads") || defaults.kv_heads == 0) {
    config.kv_heads = config.heads;
  } else {
    config.kv_heads = sizes.size("num_key_value_heads", kMaxHeads, defaults.kv_heads);
  }
  if (config.heads % config.kv_heads != 0) {
    file.fail("num_key_value_heads", json(config.kv_heads),
              fmt::format("a divisor of num_attention_heads = {}", config.heads));
  }
  // LlamaConfig, and Qwen2's attention: hidden / heads when absent or null. Qwen3Config has a default of
  // 128 instead, and no null.
  if (defaults.head_dim != 0) {
    config.head_dim = sizes.size("head_dim", kMaxHeads, defaults.head_dim);
  } else if (file.has_value("head_dim")) {
    config.head_dim = file.size("head_dim", kMaxHeads);
  } else {
    if (config.hidden % config.heads != 0) {
      file.fail("hidden_size", config.hidden,
                fmt::format("a multiple of num_attention_heads = {} where head_dim is absent", config.heads));
    }
    config.head_dim = config.hidden / config.heads;
  }
  if (config.head_dim % 2 != 0) {
    file.fail("head_dim", config.head_dim, "an even number (rotary positions turn pairs)");
  }
}

bool is_no_token(const json& id) {
  return id.is_null() || id == json(-1) || id == json("none") || id == json("None");
}

// Without effect on the states, so an id that the vocabulary does not have is only noted.
std::vector<std::int32_t> read_token_ids(const ConfigReader& file, const char* key, ModelConfig& config) {
  if (!file.has_value(key)) return {};
  const json& value = file.require(key, "");
  const json list = value.is_array() ? value : json::array({value});
  std::vector<std::int32_t> ids;
  for (const json& id : list) {
    if (is_no_token(id)) continue;
    if (!id.is_number_integer() || (!id.is_number_unsigned() && id.get<std::int64_t>() < 0)) {
      file.fail(key, id, fmt::format("token ids from 0 to {}, or -1 for none", config.vocab - 1));
    }
    if (id.get<std::uint64_t>() >= static_cast<std::uint64_t>(config.vocab)) {
      config.notes.push_back(fmt::format("config.json: {} = {} is beyond the vocabulary of {} and not used",
                                         key, ConfigReader::show(id), config.vocab));
      continue;
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

std::string read_dtype(const ConfigReader& file) {
  // "dtype" is the newer spelling of "torch_dtype".
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (!file.has_value(key)) continue;
    const json& value = file.require(key, "");
    if (!value.is_string()) file.fail(key, value, "a name such as \"bfloat16\"");
    return value.get<std::string>();
  }
  return {};
}

// Whether the class of the file is the family's base class.
bool describes_base(const ConfigReader& file, const Family& family) {
  return is_base_class(family, named_class(file));
}

void read_sizes(const ConfigReader& file, const Family& family, ModelConfig& config) {
  const FamilyDefaults& defaults = family.defaults;
  const Sizes sizes(file, family, config.notes);
  config.n_layers = sizes.size("num_hidden_layers", kMaxLayers, defaults.layers);
  config.hidden = sizes.size("hidden_size", kMaxWidth, defaults.hidden);
  if (defaults.ffn > 0) config.ffn = sizes.size("intermediate_size", kMaxFfn, defaults.ffn);
  config.vocab = sizes.size("vocab_size", kMaxVocab, defaults.vocab);
  config.max_context = file.has("max_position_embeddings")
                           ? file.integer("max_position_embeddings", kMaxContext)
                           : defaults.max_context;
  read_heads(file, sizes, defaults, config);
  config.norm_eps = sizes.positive("rms_norm_eps", defaults.norm_eps);
  if (config.norm_eps >= 1.0) file.fail("rms_norm_eps", config.norm_eps, "a number below 1");
}

void read_biases(const ConfigReader& file, const Family& family, ModelConfig& config) {
  config.qkv_bias = family.qkv_bias_default;
  if (family.qkv_bias_key) config.qkv_bias = file.flag("qkv_bias").value_or(config.qkv_bias);
  if (family.bias_keys)
    config.qkv_bias = config.output_bias = file.flag("attention_bias").value_or(config.qkv_bias);
  if (family.mlp_bias_key) config.mlp_bias = file.flag("mlp_bias").value_or(false);
}

// Everything that the text model's own object says.
ModelConfig read_text_model(const ConfigReader& file, const Family& family) {
  ModelConfig config;
  config.family = family.id;
  config.architecture = family.architecture;
  read_sizes(file, family, config);
  config.tied_embeddings = file.flag("tie_word_embeddings").value_or(family.defaults.tied);
  read_biases(file, family, config);
  config.qk_norm = family.qk_norm;
  config.stored_dtype = read_dtype(file);
  config.bos_ids = read_token_ids(file, "bos_token_id", config);
  config.eos_ids = read_token_ids(file, "eos_token_id", config);
  refuse_uncomputed(file, family, config);
  read_rope(file, family, config);
  read_block_kinds(file, family, config);
  return config;
}

// A multimodal model: its text part, and what the object around it says.
ModelConfig read_multimodal(const ConfigReader& file, const Family& family) {
  const auto text = file.section("text_config");
  if (!text) (void)file.require("text_config", "the section of the text model");
  const json type = text->object().value("model_type", json());
  if (!type.is_null() && type != json(std::string(family.model_type)))
    text->refuse("model_type", ConfigReader::show(type), fmt::format("\"{}\"", family.model_type));
  ModelConfig config = read_text_model(*text, family);
  std::vector<std::string> notes;
  check_config_keys(file, family, notes);
  config.notes.insert(config.notes.end(), notes.begin(), notes.end());
  // The outer class ties; a text model of its own may say otherwise.
  const bool tied = file.flag("tie_word_embeddings").value_or(config.tied_embeddings);
  if (text->flag("tie_word_embeddings").value_or(tied) != tied) {
    file.refuse("tie_word_embeddings", tied ? "true" : "false",
                "the same as in text_config, or neither of them");
  }
  config.tied_embeddings = tied;
  config.architecture = family.multimodal_architecture;
  if (config.stored_dtype.empty()) config.stored_dtype = read_dtype(file);
  return config;
}

}  // namespace

ModelConfig parse_config(std::string_view text, const std::string& where) {
  const json document = parse_strict_json(text, where);
  const ConfigReader file(document, where);
  if (const Family* multimodal = find_multimodal(file)) return read_multimodal(file, *multimodal);
  const Family& family = read_family(file);
  ModelConfig config = read_text_model(file, family);
  // A base model has no head but a tied one; its file may hold one all the same (Checkpoint::open).
  config.has_head = config.tied_embeddings || !describes_base(file, family);
  return config;
}

}  // namespace strata
