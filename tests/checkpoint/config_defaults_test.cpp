// What config.json may leave out or say otherwise: as in the configuration classes of transformers.
#include <gtest/gtest.h>

#include "strata/base/error.h"
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
  for (const Family& family : families()) {
    const bool llama = family.id == "llama";
    const ModelConfig c = parse({{"model_type", std::string(family.model_type)}});
    EXPECT_EQ(c.architecture, family.architecture);
    EXPECT_EQ(c.n_layers, 32);
    EXPECT_EQ(c.hidden, 4096);
    EXPECT_EQ(c.ffn, llama ? 11008 : 22016);
    EXPECT_EQ(c.heads, 32);
    EXPECT_EQ(c.kv_heads, 32);
    EXPECT_EQ(c.head_dim, 128);
    EXPECT_EQ(c.vocab, llama ? 32000 : 151936);
    EXPECT_EQ(c.max_context, llama ? 2048 : 32768);
    EXPECT_EQ(c.rope_theta, 10000.0);
    EXPECT_EQ(c.norm_eps, 1e-6);
    EXPECT_FALSE(c.tied_embeddings);
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
    config["architectures"] = json::array({stem + "Model"});
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
  EXPECT_STRATA_ERROR(parse(config), ErrorKind::unsupported, "yarn");
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

}  // namespace
}  // namespace strata
