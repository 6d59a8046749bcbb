// Parameter counts of published checkpoints, from their hyper-parameters and the tensor table alone.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "strata/checkpoint/config.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<Row> read_csv(const std::filesystem::path& path) {
  std::ifstream in(path);
  const auto cells = [](const std::string& line) {
    std::vector<std::string> out;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) out.push_back(cell);
    return out;
  };
  std::string line;
  std::getline(in, line);
  const auto names = cells(line);
  std::vector<Row> rows;
  while (std::getline(in, line)) {
    const auto values = cells(line);
    if (values.size() != names.size()) continue;
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = values[i];
  }
  return rows;
}

ModelConfig config_of(const Row& row) {
  const auto number = [&](const char* key) { return std::stoi(row.at(key)); };
  ModelConfig config;
  config.qkv_bias = row.at("qkv_bias") == "True";
  config.qk_norm = row.at("qk_norm") == "True";
  config.family = config.qk_norm ? "qwen3" : config.qkv_bias ? "qwen2" : "llama";
  config.tied_embeddings = row.at("tie_embeddings") == "True";
  config.n_layers = number("layers");
  config.hidden = number("hidden");
  config.ffn = number("ffn");
  config.heads = number("heads");
  config.kv_heads = number("kv_heads");
  config.head_dim = number("head_dim");
  config.vocab = number("vocab");
  return config;
}

TEST(Parameters, PublishedCheckpoints) {
  const auto path = test::shared_data("model_facts.csv");
  if (!path) GTEST_SKIP() << "model_facts.csv is not beside the project";
  const auto rows = read_csv(*path);
  EXPECT_EQ(rows.size(), 40u);
  for (const Row& row : rows) {
    const ParameterCount count = count_parameters(config_of(row));
    EXPECT_EQ(count.total, std::stoll(row.at("params"))) << row.at("model");
    EXPECT_EQ(count.total,
              count.embedding + std::stoi(row.at("layers")) * count.per_block + std::stoi(row.at("hidden")));
  }
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
