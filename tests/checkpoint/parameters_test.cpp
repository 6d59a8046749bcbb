// Parameter counts of published checkpoints, from their hyper-parameters and the tensor table alone.
#include <gtest/gtest.h>

#include "strata/checkpoint/published.h"
#include "tests/checkpoint/facts.h"

namespace strata {
namespace {

TEST(Parameters, PublishedCheckpoints) {
  const auto rows = test::read_facts();
  if (!rows) GTEST_SKIP() << "model_facts.csv is not beside the project";
  EXPECT_EQ(rows->size(), 40u);
  for (const auto& row : *rows) {
    const ParameterCount count = count_parameters(test::config_of(row));
    EXPECT_EQ(count.total, std::stoll(row.at("params"))) << row.at("model");
    EXPECT_EQ(count.total,
              count.embedding + std::stoi(row.at("layers")) * count.per_block + std::stoi(row.at("hidden")));
  }
}

// Of mixtures: the sizes of the files on the Hub.
TEST(Parameters, PublishedMixtures) {
  const std::vector<std::pair<const char*, std::int64_t>> totals{{"qwen3-30b-a3b", 30'532'122'624},
                                                                 {"qwen3-235b-a22b", 235'093'634'560},
                                                                 {"qwen1.5-moe-a2.7b", 14'315'784'192},
                                                                 {"mixtral-8x7b", 46'702'792'704}};
  for (const auto& [name, total] : totals) {
    const ModelConfig config = config_of(*find_published(name));
    EXPECT_EQ(count_parameters(config).total, total) << name;
    EXPECT_EQ(origin_of(config).same_shape, (std::vector<std::string_view>{name}));
  }
  EXPECT_NEAR(static_cast<double>(count_parameters(config_of(*find_published("qwen3-30b-a3b"))).active) / 1e9,
              3.3, 0.1);
  EXPECT_NEAR(static_cast<double>(count_parameters(config_of(*find_published("mixtral-8x7b"))).active) / 1e9,
              12.9, 0.1);
}

// By hand: d 4, ffn 6, 2 heads of 2, 1 key head, vocabulary 10, 3 blocks.
TEST(Parameters, ByHand) {
  ModelConfig config;
  config.family = "qwen2";
  config.n_layers = 3;
  config.hidden = 4;
  config.ffn = 6;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 2;
  config.vocab = 10;
  const std::int64_t block = 2 * 4 + (16 + 8 + 8 + 16) + 3 * 24;
  EXPECT_EQ(count_parameters(config).per_block, block);
  EXPECT_EQ(count_parameters(config).embedding, 80);
  EXPECT_EQ(count_parameters(config).total, 80 + 3 * block + 4);
  config.tied_embeddings = true;
  EXPECT_EQ(count_parameters(config).embedding, 40);
  config.qkv_bias = true;
  EXPECT_EQ(count_parameters(config).per_block, block + 4 + 2 + 2);
  config.qk_norm = true;
  EXPECT_EQ(count_parameters(config).per_block, block + 8 + 4);
}

}  // namespace
}  // namespace strata
