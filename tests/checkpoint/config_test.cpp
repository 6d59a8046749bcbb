// config.json: both spellings, every required key, everything refused by name.
#include "strata/checkpoint/config.h"

#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "tests/checkpoint/same_config.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using nlohmann::json;
using test::base;
using test::expect_same;
using test::kLlama3;
using test::parse;

TEST(Config, ReadsEveryField) {
  const ModelConfig c = parse(test::tiny_config({.family = "qwen3",
                                                 .layers = 5,
                                                 .hidden = 32,
                                                 .ffn = 40,
                                                 .heads = 6,
                                                 .kv_heads = 3,
                                                 .head_dim = 8,
                                                 .vocab = 99,
                                                 .context = 77,
                                                 .rope_theta = 12345,
                                                 .norm_eps = 1e-6,
                                                 .tied = true,
                                                 .dtype = DType::bf16}));
  EXPECT_EQ(c.family, "qwen3");
  EXPECT_EQ(c.architecture, "Qwen3ForCausalLM");
  EXPECT_EQ(c.n_layers, 5);
  EXPECT_EQ(c.hidden, 32);
  EXPECT_EQ(c.ffn, 40);
  EXPECT_EQ(c.heads, 6);
  EXPECT_EQ(c.kv_heads, 3);
  EXPECT_EQ(c.head_dim, 8);
  EXPECT_EQ(c.vocab, 99);
  EXPECT_EQ(c.max_context, 77);
  EXPECT_EQ(c.rope_theta, 12345.0);
  EXPECT_EQ(c.norm_eps, 1e-6);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_FALSE(c.qkv_bias);
  EXPECT_TRUE(c.qk_norm);
  EXPECT_FALSE(c.rope_scaling);
  EXPECT_EQ(c.stored_dtype, "bfloat16");
  EXPECT_EQ(c.bos_ids, (std::vector<std::int32_t>{0}));
  EXPECT_EQ(c.eos_ids, (std::vector<std::int32_t>{1, 2}));
  EXPECT_TRUE(parse(base("qwen2")).qkv_bias);
  EXPECT_FALSE(parse(base("llama")).qkv_bias);
}

TEST(Config, BothSpellingsGiveTheSame) {
  for (const bool scaled : {false, true}) {
    json older = base("llama"), newer = base("llama");
    if (scaled) older["rope_scaling"] = kLlama3;
    newer.erase("rope_scaling");
    newer.erase("rope_theta");
    newer["rope_parameters"] = scaled ? kLlama3 : json{{"rope_type", "default"}};
    newer["rope_parameters"]["rope_theta"] = older["rope_theta"];
    newer["dtype"] = newer["torch_dtype"];
    newer.erase("torch_dtype");
    const ModelConfig config = parse(older);
    ASSERT_EQ(config.rope_scaling.has_value(), scaled);
    if (scaled) {
      EXPECT_EQ(config.rope_scaling->factor, 8.0);
      EXPECT_EQ(config.rope_scaling->low_freq_factor, 1.0);
      EXPECT_EQ(config.rope_scaling->high_freq_factor, 4.0);
      EXPECT_EQ(config.rope_scaling->original_context, 8192.0);
    }
    expect_same(config, parse(newer));
    json older_word = older;  // "type" for "rope_type"
    if (scaled) {
      older_word["rope_scaling"]["type"] = "llama3";
      older_word["rope_scaling"].erase("rope_type");
      expect_same(config, parse(older_word));
    }
    json both = newer;  // files that carry both
    both["rope_theta"] = older["rope_theta"];
    both["rope_scaling"] = older["rope_scaling"];
    expect_same(config, parse(both));
  }
}

TEST(Config, BothSpellingsMustAgree) {
  json config = base("llama");
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "rope_parameters.rope_theta: 500000");
  config["rope_parameters"] = {{"rope_type", "default"}};
  config["rope_scaling"] = kLlama3;
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "rope_parameters");
  config = base("llama");
  config["rope_scaling"] = kLlama3;
  config["rope_scaling"]["type"] = "linear";
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "rope_scaling.type");
}

TEST(Config, AbsentKeysWithARule) {
  json config = base("llama");
  for (const char* key : {"num_key_value_heads", "head_dim", "tie_word_embeddings", "hidden_act",
                          "torch_dtype", "bos_token_id", "eos_token_id", "rope_scaling"}) {
    config.erase(key);
  }
  const ModelConfig c = parse(config);
  EXPECT_EQ(c.kv_heads, c.heads);
  EXPECT_EQ(c.head_dim, c.hidden / c.heads);
  EXPECT_FALSE(c.tied_embeddings);
  EXPECT_TRUE(c.bos_ids.empty() && c.eos_ids.empty());
  EXPECT_EQ(c.stored_dtype, "");
  json nulls = base("qwen2");
  nulls["num_key_value_heads"] = nullptr;
  nulls["head_dim"] = nullptr;
  EXPECT_EQ(parse(nulls).kv_heads, 4);
  EXPECT_EQ(parse(nulls).head_dim, 4);
}

struct Twin {
  const char* family;
  const char* key;
  json value;
  ErrorKind kind;
  const char* text;
};

TEST(Config, ImpossibleValues) {
  const std::vector<Twin> twins{
      {"llama", "architectures", json::array({"LlamaForCausalLM", "LlamaForCausalLM"}), ErrorKind::bad_file,
       "architectures"},
      {"llama", "architectures", "LlamaForCausalLM", ErrorKind::bad_file, "architectures"},
      {"llama", "model_type", 3, ErrorKind::bad_file, "model_type"},
      {"llama", "num_hidden_layers", 0, ErrorKind::bad_file, "num_hidden_layers: 0"},
      {"llama", "hidden_size", -16, ErrorKind::bad_file, "hidden_size: -16"},
      {"llama", "intermediate_size", 24.5, ErrorKind::bad_file, "intermediate_size: 24.5"},
      {"llama", "vocab_size", "40", ErrorKind::bad_file, "vocab_size"},
      {"llama", "vocab_size", 1e18, ErrorKind::bad_file, "vocab_size"},
      {"llama", "vocab_size", 18446744073709551615ull, ErrorKind::bad_file, "vocab_size"},
      {"llama", "num_attention_heads", 1 << 30, ErrorKind::bad_file, "num_attention_heads"},
      {"llama", "num_attention_heads", nullptr, ErrorKind::bad_file, "num_attention_heads: null"},
      {"llama", "num_key_value_heads", 3, ErrorKind::bad_file, "num_key_value_heads: 3"},
      {"llama", "num_key_value_heads", 8, ErrorKind::bad_file, "num_key_value_heads: 8"},
      {"llama", "head_dim", 5, ErrorKind::bad_file, "head_dim: 5"},
      {"llama", "max_position_embeddings", true, ErrorKind::bad_file, "max_position_embeddings: true"},
      {"llama", "rope_theta", 0.0, ErrorKind::bad_file, "rope_theta: 0"},
      {"llama", "rope_theta", "10000", ErrorKind::bad_file, "rope_theta"},
      {"llama", "rms_norm_eps", -1e-5, ErrorKind::bad_file, "rms_norm_eps"},
      {"llama", "rms_norm_eps", 1.5, ErrorKind::bad_file, "rms_norm_eps"},
      {"llama", "tie_word_embeddings", 1, ErrorKind::bad_file, "tie_word_embeddings"},
      {"llama", "bos_token_id", 1.5, ErrorKind::bad_file, "bos_token_id: 1.5"},
      {"llama", "eos_token_id", json::array({0, -2}), ErrorKind::bad_file, "eos_token_id: -2"},
      {"llama", "torch_dtype", 16, ErrorKind::bad_file, "torch_dtype"},
      {"llama", "rope_scaling", json::array(), ErrorKind::bad_file, "rope_scaling"},
      {"llama",
       "rope_scaling",
       {{"rope_type", nullptr}},
       ErrorKind::bad_file,
       "rope_scaling.rope_type: null"},
      {"qwen2", "layer_types", json::array({"full_attention"}), ErrorKind::bad_file, "layer_types"},
      {"qwen3", "head_dim", nullptr, ErrorKind::bad_file, "head_dim: null"},
  };
  for (const Twin& twin : twins) {
    json config = base(twin.family);
    config[twin.key] = twin.value;
    EXPECT_STRATA_ERROR(parse(config), twin.kind, twin.text);
  }
  json indivisible = base("llama");
  indivisible.erase("head_dim");
  indivisible["hidden_size"] = 18;
  EXPECT_STRATA_ERROR(parse(indivisible), ErrorKind::bad_file, "hidden_size: 18");
  json reversed = base("llama");
  reversed["rope_scaling"] = kLlama3;
  reversed["rope_scaling"]["high_freq_factor"] = 1.0;
  EXPECT_STRATA_ERROR(parse(reversed), ErrorKind::bad_file, "rope_scaling.high_freq_factor");
}

TEST(Config, RefusedByName) {
  const auto no = ErrorKind::unsupported;
  const json sliding = json::array({"full_attention", "sliding_attention", "full_attention"});
  const std::vector<Twin> twins{
      {"llama", "architectures", json::array({"GPT2LMHeadModel"}), no, "GPT2LMHeadModel"},
      {"llama", "architectures", json::array({"MixtralForCausalLM"}), no, "MixtralForCausalLM"},
      {"llama", "architectures", json::array({"Qwen2ForSequenceClassification"}), no, "architectures"},
      {"llama", "architectures", json::array({"Bad\nName"}), no, "Bad?Name"},
      {"llama", "model_type", "mistral", no, "mistral"},
      {"qwen2", "model_type", "llama", no, "model_type"},
      {"qwen3", "num_experts", 128, no, "num_experts"},
      {"llama", "num_local_experts", 8, no, "num_local_experts"},
      {"qwen2", "moe_intermediate_size", 64, no, "moe_intermediate_size"},
      {"qwen3", "num_experts_per_tok", 8, no, "num_experts_per_tok"},
      {"llama", "n_routed_experts", 4, no, "n_routed_experts"},
      {"llama", "layer_types", sliding, no, "sliding_attention"},
      {"qwen2", "layer_types", sliding, no, "without a sliding_window in use"},
      {"qwen3", "layer_types", json::array({"full_attention", "linear_attention", "full_attention"}), no,
       "linear_attention"},
      {"llama", "is_causal", false, no, "is_causal: false"},
      {"qwen3", "is_causal", nullptr, no, "is_causal: null"},
      {"llama", "logit_scale", 0.5, no, "logit_scale"},
      {"llama", "attn_temperature_tuning_moe", 4, no, "attn_temperature_tuning_moe"},
      {"llama", "rope_scaling", {{"rope_type", "su"}, {"factor", 2.0}}, no, "\"su\""},
      {"qwen2", "rope_scaling", {{"type", "mrope"}}, no, "mrope"},
      {"mistral", "num_experts", 8, no, "num_experts"},
      {"llama", "no_rope_layers", json::array({1, 0, 1}), no, "no_rope_layers"},
      {"smollm3", "layer_types", sliding, no, "without a sliding_window in use"},
      {"mistral",
       "rope_scaling",
       {{"rope_type", "default"}, {"llama_4_scaling_beta", 0.1}},
       no,
       "llama_4_scaling_beta"},
      {"llama", "partial_rotary_factor", 0.5, no, "partial_rotary_factor"},
      {"llama",
       "rope_parameters",
       {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}},
       no,
       "rope_parameters.partial_rotary_factor"},
      {"llama", "hidden_act", "gelu", no, "gelu"},
      {"qwen2", "qkv_bias", false, no, "qkv_bias"},
      {"llama", "qkv_bias", true, no, "qkv_bias"},
      {"llama", "quantization_config", {{"quant_method", "gptq"}}, no, "quantization_config"},
      {"llama", "auto_map", {{"AutoModelForCausalLM", "modeling.Mine"}}, no, "auto_map.AutoModelForCausalLM"},
  };
  for (const Twin& twin : twins) {
    json config = base(twin.family);
    config[twin.key] = twin.value;
    EXPECT_STRATA_ERROR(parse(config), twin.kind, twin.text);
  }
}

TEST(Config, SlidingWindowOnlyWhereItActs) {
  json config = base("qwen2");
  const auto window = [&] { return parse(config).window; };
  config["sliding_window"] = 64;
  config["max_window_layers"] = 1;
  config["use_sliding_window"] = false;
  EXPECT_EQ(window(), 0);
  config["use_sliding_window"] = true;
  EXPECT_EQ(window(), 64);
  config["max_window_layers"] = 3;  // layers 3, 4, ... would slide, and there are none
  EXPECT_EQ(window(), 0);
  config.erase("max_window_layers");  // 28
  EXPECT_EQ(window(), 0);
  config["max_window_layers"] = 2;
  EXPECT_EQ(window(), 64);
  config.erase("sliding_window");
  EXPECT_EQ(window(), 4096);
  config["max_window_layers"] = -1;
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "max_window_layers");
  config["max_window_layers"] = 2;
  config["sliding_window"] = nullptr;
  EXPECT_EQ(window(), 0);
  config["sliding_window"] = 64;
  config["layer_types"] = json::array({"full_attention", "full_attention", "full_attention"});
  EXPECT_EQ(window(), 0);  // an explicit list decides
  config["layer_types"][1] = "sliding_attention";
  EXPECT_EQ(window(), 64);
  json llama = base("llama");  // LlamaConfig knows none of these
  for (const char* key : {"sliding_window", "max_window_layers", "use_sliding_window"})
    llama[key] = config[key];
  EXPECT_EQ(parse(llama).window, 0);
}

TEST(Config, HarmlessKeysAreAccepted) {
  json config = base("llama");
  config["pretraining_tp"] = 1;
  config["attention_bias"] = false;
  config["mlp_bias"] = false;
  config["num_experts"] = nullptr;
  config["quantization_config"] = nullptr;
  config["partial_rotary_factor"] = 1.0;
  config["transformers_version"] = "4.40.1";
  config["hidden_act"] = "swish";
  config["is_causal"] = true;
  config["logit_scale"] = 1.0;
  config["use_mrope"] = false;
  config["some_new_flag"] = false;
  config["num_experts_of_tomorrow"] = 0;
  expect_same(parse(config), parse(base("llama")));
}

TEST(Config, UnknownKeysAreSaid) {
  json config = base("llama");
  config["my_note"] = "hello\n";
  const ModelConfig c = parse(config);
  ASSERT_EQ(c.notes.size(), 1u);
  EXPECT_NE(c.notes[0].find("my_note"), std::string::npos);
  EXPECT_EQ(c.notes[0].find('\n'), std::string::npos);
}

TEST(Config, NotJson) {
  const auto text = [](const std::string& t) { return parse_config(t, "config.json"); };
  EXPECT_STRATA_ERROR(text(""), ErrorKind::bad_file, "config.json: an empty file");
  EXPECT_STRATA_ERROR(text("{\"a\": 1"), ErrorKind::bad_file, "not valid JSON");
  EXPECT_STRATA_ERROR(text("[1]"), ErrorKind::bad_file, "a JSON array");
  EXPECT_STRATA_ERROR(text("{\"a\": \"\xff\"}"), ErrorKind::bad_file, "not valid JSON");
  EXPECT_STRATA_ERROR(text("{\"a\": 1e999}"), ErrorKind::bad_file, "number");
  EXPECT_STRATA_ERROR(text(std::string(100000, '[')), ErrorKind::bad_file,
                      "nested deeper than 32 at byte 32");
  EXPECT_STRATA_ERROR(text("{\"a\": " + std::string(32, '[') + std::string(32, ']') + "}"),
                      ErrorKind::bad_file, "nested deeper than 32");
  EXPECT_STRATA_ERROR(text("{\"a\": " + std::string(31, '[') + std::string(31, ']') + "}"),
                      ErrorKind::bad_file, "architectures: missing");
  EXPECT_STRATA_ERROR(text("{\"a\": \"" + std::string(40, '[') + "\\\"\"}"), ErrorKind::bad_file,
                      "architectures: missing");  // brackets in a string do not nest
  std::string twice = base("llama").dump();
  twice.insert(1, "\"hidden_size\": 8, ");
  EXPECT_STRATA_ERROR(text(twice), ErrorKind::bad_file, "key \"hidden_size\" twice");
}

// Every value of the file replaced by one of another type or size: a config or strata's own error.
TEST(Config, AnyTypeAnywhereIsNeverAnotherException) {
  json full = base("qwen3");
  full["rope_scaling"] = kLlama3;
  full["layer_types"] = json::array({"full_attention", "full_attention", "full_attention"});
  for (const char* key : {"rope_parameters", "use_sliding_window", "max_window_layers", "sliding_window",
                          "auto_map", "attention_bias", "mlp_bias", "qkv_bias", "pretraining_tp",
                          "num_experts", "dtype", "partial_rotary_factor", "quantization_config"}) {
    full[key] = nullptr;
  }
  ASSERT_NO_THROW(parse(full));
  const std::vector<json> values{nullptr,
                                 true,
                                 -1,
                                 0,
                                 1,
                                 2.5,
                                 1e300,
                                 18446744073709551615ull,
                                 json::array(),
                                 json::object(),
                                 "",
                                 "x",
                                 json::array({nullptr}),
                                 json::array({json::object()})};
  int errors = 0;
  const auto try_one = [&](const json& config) {
    try {
      const ModelConfig c = parse(config);
      EXPECT_GT(count_parameters(c).total, 0);
    } catch (const Error&) {
      ++errors;
    }
  };
  for (const auto& [key, old] : full.items()) {
    for (const json& value : values) {
      json config = full;
      config[key] = value;
      try_one(config);
      if (!old.is_object()) continue;
      for (const auto& [inner, unused] : old.items()) {
        config[key] = old;
        config[key][inner] = value;
        try_one(config);
      }
    }
  }
  EXPECT_GT(errors, 200);
}

}  // namespace
}  // namespace strata
