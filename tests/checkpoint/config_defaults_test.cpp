// What config.json may leave out or say otherwise: as in the configuration classes of transformers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/checkpoint/other_architectures.h"
#include "tests/checkpoint/same_config.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using nlohmann::json;
using test::base;
using test::expect_same;
using test::kLlama3;
using test::parse;

// The defaults of LlamaConfig, Qwen2Config and Qwen3Config: Meta's Llama 1 and 2 leave out rope_theta, and
// the first conversions of Llama 1 max_position_embeddings too.
TEST(Config, AbsentKeysHaveTheDefaultsOfTheirClass) {
  struct Row {
    const char* family;
    int layers, hidden, ffn, heads, kv_heads, head_dim, vocab;
    std::int64_t context;
    double theta, eps;
    bool tied;
    std::int64_t window;
  };
  const std::vector<Row> rows{
      {"llama", 32, 4096, 11008, 32, 32, 128, 32000, 2048, 1e4, 1e-6, false, 0},
      {"qwen2", 32, 4096, 22016, 32, 32, 128, 151936, 32768, 1e4, 1e-6, false, 0},
      {"qwen3", 32, 4096, 22016, 32, 32, 128, 151936, 32768, 1e4, 1e-6, false, 0},
      {"mistral", 32, 4096, 14336, 32, 8, 128, 32000, 131072, 1e4, 1e-6, false, 4096},
      {"ministral", 32, 4096, 14336, 32, 8, 128, 32000, 131072, 1e4, 1e-6, false, 4096},
      {"ministral3", 34, 4096, 14336, 32, 8, 128, 131072, 262144, 1e6, 1e-5, false, 0},
      {"smollm3", 36, 2048, 11008, 16, 4, 128, 128256, 32768, 2e6, 1e-6, true, 0},
      {"phi3", 32, 3072, 8192, 32, 32, 96, 32064, 4096, 1e4, 1e-5, false, 0},
      {"qwen2_moe", 24, 2048, 5632, 16, 16, 128, 151936, 32768, 1e4, 1e-6, false, 0},
      {"qwen3_moe", 24, 2048, 6144, 32, 4, 64, 151936, 32768, 1e4, 1e-6, false, 0},
      {"mixtral", 32, 4096, 14336, 32, 8, 128, 32000, 131072, 1e6, 1e-5, false, 0},
      {"qwen3_next", 48, 2048, 5632, 16, 2, 256, 151936, 32768, 1e4, 1e-6, false, 0},
      {"qwen3_5_text", 32, 4096, 12288, 16, 4, 256, 248320, 32768, 1e4, 1e-6, false, 0},
      {"qwen3_5_moe_text", 40, 2048, 512, 16, 2, 256, 248320, 32768, 1e4, 1e-6, false, 0},
  };
  ASSERT_EQ(rows.size(), families().size());
  for (const Row& row : rows) {
    SCOPED_TRACE(row.family);
    json config{{"model_type", row.family}};
    if (std::string(row.family) == "ministral3") {
      EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "rope_parameters: missing");
      config["rope_parameters"] = {{"rope_type", "default"}};
      EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "llama_4_scaling_beta: missing");
      config["rope_parameters"]["llama_4_scaling_beta"] = 0.0;
    }
    const ModelConfig c = parse(config);
    EXPECT_EQ(family_of(c).model_type, row.family);
    EXPECT_EQ(c.n_layers, row.layers);
    EXPECT_EQ(c.hidden, row.hidden);
    EXPECT_EQ(c.ffn, row.ffn);
    EXPECT_EQ(c.heads, row.heads);
    EXPECT_EQ(c.kv_heads, row.kv_heads);
    EXPECT_EQ(c.head_dim, row.head_dim);
    EXPECT_EQ(c.vocab, row.vocab);
    EXPECT_EQ(c.max_context, row.context);
    EXPECT_EQ(c.rope_theta, row.theta);
    EXPECT_EQ(c.norm_eps, row.eps);
    EXPECT_EQ(c.tied_embeddings, row.tied);
    EXPECT_EQ(c.window, row.window);
    EXPECT_FALSE(c.notes.empty()) << "sizes that the file does not say are said";
  }
  json config = base("llama");
  config.erase("rope_theta");
  EXPECT_EQ(parse(config).rope_theta, 10000.0);
  EXPECT_TRUE(parse(config).notes.empty());
  config["pretraining_tp"] = 2;  // Llama 2 13B
  EXPECT_TRUE(parse(config).notes.empty());
  EXPECT_STRATA_ERROR(parse(json::object()), ErrorKind::bad_file, "architectures: missing");
  for (const char* key : {"rms_norm_eps", "rope_theta", "hidden_size", "max_position_embeddings"}) {
    json null = base("llama");
    null[key] = nullptr;
    EXPECT_STRATA_ERROR(parse(null), ErrorKind::bad_file, std::string(key) + ": null");
  }
  json elsewhere = base("qwen3");
  elsewhere["rope_theta"] = nullptr;
  elsewhere["rope_parameters"] = {{"rope_theta", 1e6}};  // without a type: default
  EXPECT_EQ(parse(elsewhere).rope_theta, 1e6);
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"}) {
    json scaled = base("llama");
    scaled["rope_scaling"] = kLlama3;
    scaled["rope_scaling"].erase(key);
    EXPECT_STRATA_ERROR(parse(scaled), ErrorKind::bad_file, std::string("rope_scaling.") + key + ": missing");
  }
}

TEST(Config, ModelTypeOrClassDecides) {
  for (const Family& family : families()) {
    const json whole = base(std::string(family.id).c_str());
    for (const json& none : {json(nullptr), json::array()}) {
      json config = whole;
      config["architectures"] = none;
      expect_same(parse(config), parse(whole));
    }
    json config = whole;
    config.erase("architectures");
    expect_same(parse(config), parse(whole));
    config = whole;
    config.erase("model_type");
    expect_same(parse(config), parse(whole));
    config = whole;
    std::string stem(family.architecture);
    stem.resize(stem.size() - std::string("ForCausalLM").size());
    config["architectures"] = json::array({stem + (family.multimodal_type.empty() ? "Model" : "TextModel")});
    expect_same(parse(config), parse(whole));
  }
  json first = base("llama");  // the first conversions of Llama 1
  first["architectures"] = json::array({"LLaMAForCausalLM"});
  expect_same(parse(first), parse(base("llama")));
  first.erase("architectures");
  first["model_type"] = "gpt2";
  EXPECT_STRATA_ERROR(parse(first), ErrorKind::unsupported, "model_type: \"gpt2\"");
}

// transformers 5 takes the one at the top level, and max_position_embeddings where there is none.
TEST(Config, OriginalContextOfLlama3Rope) {
  json config = base("llama");
  config["rope_parameters"] = kLlama3;
  config.erase("rope_scaling");
  const auto context = [&] { return parse(config).rope_scaling.value().original_context; };
  EXPECT_EQ(context(), 8192.0);
  config["original_max_position_embeddings"] = 16;
  EXPECT_EQ(context(), 16.0);
  config["rope_parameters"].erase("original_max_position_embeddings");
  EXPECT_EQ(context(), 16.0);
  config.erase("original_max_position_embeddings");
  EXPECT_EQ(context(), 128.0);
  config["original_max_position_embeddings"] = nullptr;
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::bad_file, "original_max_position_embeddings: null");
}

TEST(Config, RopeTypesThatScaleByNothing) {
  const ModelConfig plain = parse(base("llama"));
  for (const json& section :
       {json{{"rope_theta", 10000.0}}, json::object(), json{{"type", "linear"}, {"factor", 1.0}},
        json{{"rope_type", "linear"}, {"factor", 1}}, json{{"rope_type", "yarn"}, {"factor", 1.0}}}) {
    for (const char* name : {"rope_scaling", "rope_parameters"}) {
      json config = base("llama");
      config[name] = section;
      expect_same(parse(config), plain);
    }
  }
  json config = base("llama");  // type default, as in transformers; the factor is not used, which is said
  config["rope_scaling"] = {{"factor", 2.0}};
  expect_same(parse(config), plain);
  ASSERT_EQ(parse(config).notes.size(), 1u);
  EXPECT_NE(parse(config).notes[0].find("factor 2"), std::string::npos);
  config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 1.0}, {"attention_factor", 1.5}};
  EXPECT_EQ(parse(config).scaled_rope.value().attention_factor, 1.5);
}

TEST(Config, IdsOfNoToken) {
  for (const json& none :
       {json(-1), json(nullptr), json("none"), json("None"), json::array({-1}), json::array()}) {
    json config = base("llama");
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) config[key] = none;
    const ModelConfig c = parse(config);
    EXPECT_TRUE(c.bos_ids.empty() && c.eos_ids.empty()) << none;
    EXPECT_TRUE(c.notes.empty());
  }
  json config = base("llama");
  config["eos_token_id"] = json::array({40, 1});  // beyond the vocabulary: no effect on the states
  EXPECT_EQ(parse(config).eos_ids, (std::vector<std::int32_t>{1}));
  ASSERT_EQ(parse(config).notes.size(), 1u);
  EXPECT_NE(parse(config).notes[0].find("eos_token_id = 40"), std::string::npos);
}

// Phi3Config has one scaling of rope, under three names, and an original context of its own where the file
// has none at the top level. Published files name code of their repository, which transformers does not need.
TEST(Config, Phi3AsItIsPublished) {
  json config{{"model_type", "phi3"},      {"hidden_size", 64},
              {"num_attention_heads", 4},  {"max_position_embeddings", 8192},
              {"sliding_window", nullptr}, {"partial_rotary_factor", 0.5}};
  const json factors{1.0, 1.5, 2.0, 2.5};
  for (const char* name : {"longrope", "su", "yarn"}) {
    config["rope_scaling"] = {{"type", name}, {"short_factor", factors}, {"long_factor", factors}};
    const ModelConfig c = parse(config);
    ASSERT_TRUE(c.scaled_rope) << name;
    EXPECT_EQ(c.scaled_rope->type, RopeType::longrope) << name;
    EXPECT_EQ(c.scaled_rope->original_context, 4096.0);
    EXPECT_DOUBLE_EQ(c.scaled_rope->attention_factor, std::sqrt(1.0 + std::log(2.0) / std::log(4096.0)));
    EXPECT_EQ(c.rotary_dim, 8);
    EXPECT_EQ(c.window, 0);
  }
  config["original_max_position_embeddings"] = 2048;
  EXPECT_EQ(parse(config).scaled_rope->original_context, 2048.0);
  for (const char* name : {"linear", "dynamic", "llama3"}) {
    config["rope_scaling"]["type"] = name;
    EXPECT_STRATA_ERROR(parse(config), ErrorKind::unsupported, "\"default\" or \"longrope\"");
  }
  config["rope_scaling"] = nullptr;
  config["auto_map"] = {{"AutoConfig", "configuration_phi3.Phi3Config"},
                        {"AutoModelForCausalLM", "modeling_phi3.Phi3ForCausalLM"}};
  const auto notes = parse(config).notes;
  EXPECT_EQ(std::count_if(notes.begin(), notes.end(),
                          [](const std::string& note) { return note.find("auto_map") != std::string::npos; }),
            1);
}

// Who gives another model is told what stands in the way, by each of its names.
TEST(Config, AnotherArchitectureIsToldWhatItNeeds) {
  for (const char* name : {"Gemma3ForCausalLM", "gemma3_text", "gemma3", "Gemma3ForConditionalGeneration"})
    EXPECT_NE(what_it_needs(name).find("it needs norms before and behind"), std::string::npos) << name;
  for (const char* name : {"GraniteForCausalLM", "granite", "GptOssForCausalLM", "gpt-oss",
                           "Olmo2ForCausalLM", "DeepseekV3ForCausalLM", "deepseek2", "GPT2LMHeadModel",
                           "nemotron_h", "PhiForCausalLM", "Llama4ForConditionalGeneration", "BertModel"})
    EXPECT_TRUE(what_it_needs(name).starts_with("it needs ")) << name;
  EXPECT_EQ(what_it_needs("TomorrowForCausalLM"),
            "strata does not compute this model; docs/adding_a_model.md says how one is added");
  EXPECT_EQ(what_it_needs(""), what_it_needs("TomorrowForCausalLM"));
  for (const Family& family : families()) {
    for (const std::string_view name : {family.architecture, family.model_type, family.gguf_architecture})
      EXPECT_FALSE(what_it_needs(name).starts_with("it needs ")) << name;
  }
  EXPECT_STRATA_ERROR(parse({{"architectures", {"GraniteForCausalLM"}}}), ErrorKind::unsupported,
                      "multipliers of the embedding");
  EXPECT_STRATA_ERROR(parse({{"model_type", "gpt_oss"}}), ErrorKind::unsupported, "attention sinks");
}

}  // namespace
}  // namespace strata
