// The trained models of the repository open, load and count right.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/checkpoint/checkpoint.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

class Nano : public testing::TestWithParam<const char*> {};

TEST_P(Nano, OpensLoadsAndCounts) {
  const Checkpoint checkpoint = Checkpoint::open(test::repo_path("models") / GetParam());
  const ModelConfig& config = checkpoint.config();
  EXPECT_EQ(config.n_layers, 12);
  EXPECT_EQ(config.hidden, 96);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.bos_ids, std::vector<std::int32_t>{4095});
  EXPECT_TRUE(checkpoint.digest().empty());
  std::int64_t parameters = 0;
  for (const TensorRule& rule : family_of(config).tensors) {
    if (!checkpoint.has(rule.role)) continue;
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      std::vector<float> values(checkpoint.element_count(rule.role), NAN);
      checkpoint.load(rule.role, layer, values);
      double square = 0;
      for (const float value : values) square += double{value} * value;
      const double rms = std::sqrt(square / static_cast<double>(values.size()));
      EXPECT_GT(rms, 1e-6) << rule.name;
      EXPECT_LT(rms, 100) << rule.name;
      parameters += static_cast<std::int64_t>(values.size());
    }
  }
  EXPECT_EQ(parameters, count_parameters(config).total);
  EXPECT_EQ(checkpoint.weight_bytes(), static_cast<std::uint64_t>(2 * parameters));
  EXPECT_EQ(checkpoint.bytes_read(), checkpoint.weight_bytes());
  EXPECT_EQ(checkpoint.digest().size(), 64u);
}

INSTANTIATE_TEST_SUITE_P(Models, Nano, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"));

}  // namespace
}  // namespace strata
