// Every published checkpoint of model_facts.csv: its generation, or that it cannot be told.
#include "strata/checkpoint/published.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/checkpoint/facts.h"

namespace strata {
namespace {

// By the model's name alone. Where generations share every number of the configuration, both are named.
std::string expected_generation(const std::string& model) {
  if (model == "Llama-3.1-70B" || model == "Llama-3.3-70B-Instruct") return "Llama 3.1 or Llama 3.3";
  for (const char* size : {"-0.5B", "-1.5B", "-7B", "-72B"}) {
    if (model == std::string("Qwen2") + size || model == std::string("Qwen2.5") + size)
      return "Qwen2 or Qwen2.5";
  }
  if (model == "QwQ-32B") return "Qwen2.5";  // made from Qwen2.5-32B, same configuration
  const std::pair<const char*, const char*> prefixes[] = {
      {"Llama-2-", "Llama 2"},     {"Llama-3-", "Llama 3"}, {"Llama-3.1-", "Llama 3.1"},
      {"Llama-3.2-", "Llama 3.2"}, {"Qwen1.5-", "Qwen1.5"}, {"Qwen2.5-", "Qwen2.5"},
      {"Qwen3-", "Qwen3"},         {"SmolLM2-", "SmolLM2"}, {"tiny-llama-", "TinyLlama"}};
  for (const auto& [prefix, generation] : prefixes)
    if (model.starts_with(prefix)) return generation;
  return "unexpected model";
}

TEST(Published, GenerationsOfAllFacts) {
  const auto rows = test::read_facts();
  if (!rows) GTEST_SKIP() << "model_facts.csv is not beside the project";
  ASSERT_EQ(rows->size(), 40u);
  for (const auto& row : *rows) {
    const std::string& model = row.at("model");
    const ModelConfig config = test::config_of(row);
    EXPECT_EQ(origin_of(config).generation, expected_generation(model)) << model;
    ModelConfig other = config;  // another width: of no published model
    other.ffn += 64;
    EXPECT_EQ(origin_of(other).generation, config.family == "qwen3" ? "Qwen3" : "") << model;
    EXPECT_TRUE(origin_of(other).same_shape.empty());
    other = config;
    other.rope_theta *= 2;
    EXPECT_TRUE(origin_of(other).same_shape.empty()) << model;
  }
}

TEST(Published, TheTableAgreesWithTheFacts) {
  const auto rows = test::read_facts();
  if (!rows) GTEST_SKIP() << "model_facts.csv is not beside the project";
  for (const auto& row : *rows) {
    const ModelConfig config = test::config_of(row);
    bool found = false;
    for (const std::string_view name : origin_of(config).same_shape) {
      const ModelConfig c = config_of(*find_published(name));
      found = found || (c.max_context == config.max_context && c.norm_eps == config.norm_eps &&
                        count_parameters(c).total == std::stoll(row.at("params")));
    }
    EXPECT_TRUE(found) << row.at("model");
  }
  const auto dense = std::count_if(published_models().begin(), published_models().end(),
                                   [](const PublishedModel& m) { return m.experts == 0; });
  EXPECT_EQ(static_cast<std::size_t>(dense), rows->size());
}

TEST(Published, LlamaNeedsContextAndEpsToo) {
  // Llama 1 7B is Llama 2 7B with another context and eps.
  ModelConfig config = config_of(*find_published("LLaMA-2-7B"));
  EXPECT_EQ(origin_of(config).generation, "Llama 2");
  config.max_context = 2048;
  EXPECT_EQ(origin_of(config).generation, "");
  config.max_context = 4096;
  config.norm_eps = 1e-6;
  EXPECT_EQ(origin_of(config).generation, "");
  config.norm_eps = static_cast<double>(1e-5f);  // as GGUF stores it
  EXPECT_EQ(origin_of(config).generation, "Llama 2");
  EXPECT_EQ(find_published("llama-9"), nullptr);
}

TEST(Published, RopeFactorsTellTheScaling) {
  for (const char* name : {"llama-3.2-1b", "llama-3.1-8b", "llama-3-8b"}) {
    ModelConfig config = config_of(*find_published(name));
    const std::string expected = origin_of(config).generation;
    if (config.rope_scaling) {
      config.rope_factors = llama3_rope_factors(config.rope_theta, config.head_dim, *config.rope_scaling);
      EXPECT_EQ(config.rope_factors.front(), 1.0f);
      EXPECT_EQ(config.rope_factors.back(), static_cast<float>(config.rope_scaling->factor));
      config.rope_scaling.reset();
    }
    EXPECT_EQ(origin_of(config).generation, expected);
    config.rope_factors.assign(static_cast<std::size_t>(config.head_dim / 2), 2.0f);
    EXPECT_EQ(origin_of(config).generation, "");
  }
}

}  // namespace
}  // namespace strata
