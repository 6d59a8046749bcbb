// Weights that carry nothing, and a loss no better than chance, are said.
#include "strata/sweep/model_warnings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "strata/sweep/measure.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

// The tiny model with every tensor whose name ends so filled with one value.
std::vector<std::string> warnings_of(const std::string& end, float value, const std::string& family = "llama",
                                     DType dtype = DType::f32) {
  const test::TemporaryDirectory directory;
  test::TinyCheckpoint tiny{.family = family, .dtype = dtype};
  tiny.edit_tensors = [&](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) {
      if (!tensor.name.ends_with(end)) continue;
      tensor.bytes = test::encode(dtype, std::vector<float>(tensor.bytes.size() / size_bytes(dtype), value));
    }
  };
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  for (const TensorRule& rule : family_of(checkpoint.config()).tensors) {
    if (!checkpoint.has(rule.role)) continue;
    std::vector<float> out(checkpoint.element_count(rule.role));
    for (int layer = 0; layer < places_of(rule, checkpoint.config()); ++layer)
      checkpoint.load(rule.role, layer, out);
  }
  return weight_warnings(checkpoint);
}

TEST(WeightWarnings, ASoundModelHasNone) {
  EXPECT_TRUE(warnings_of("nothing", 0.0f).empty());
  EXPECT_TRUE(warnings_of("norm.weight", 1.0f).empty());           // as models begin
  EXPECT_TRUE(warnings_of("q_proj.bias", 0.0f, "qwen2").empty());  // likewise
}

TEST(WeightWarnings, ZerosAndEqualValuesAreNamed) {
  const auto zero = warnings_of("1.mlp.down_proj.weight", 0.0f);
  ASSERT_EQ(zero.size(), 1u);
  EXPECT_EQ(
      zero[0],
      "weights: 1 of 30 tensors hold nothing but zeros (model.layers.1.mlp.down_proj.weight): the file may "
      "be damaged, or a placeholder");
  const auto equal = warnings_of("q_proj.weight", 0.25f, "llama", DType::bf16);
  ASSERT_EQ(equal.size(), 1u);
  EXPECT_NE(equal[0].find("3 of 30 tensors hold one value throughout"), std::string::npos) << equal[0];
  const auto norm = warnings_of("norm.weight", 0.0f);
  ASSERT_EQ(norm.size(), 1u);
  EXPECT_NE(norm[0].find("nothing but zeros (model.layers.0.input_layernorm.weight"), std::string::npos)
      << norm[0];
  EXPECT_NE(norm[0].find(", ...)"), std::string::npos) << norm[0];
  const auto all = warnings_of("", 0.0f);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0].find("30 of 30 tensors"), std::string::npos) << all[0];
}

// A matrix whose rows are one row, or whose first values are equal, has several values.
TEST(WeightWarnings, OneOtherValueIsEnough) {
  const test::TemporaryDirectory directory;
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) {
      if (!tensor.name.ends_with("up_proj.weight")) continue;
      std::vector<float> values(tensor.bytes.size() / 4, 0.0f);
      values.back() = 1.0f;
      tensor.bytes = test::encode(DType::f32, values);
    }
  };
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  std::vector<float> out(checkpoint.element_count(Role::up));
  checkpoint.load(Role::up, 0, out);
  EXPECT_TRUE(weight_warnings(checkpoint).empty());
}

// A run that is taken up again knows what it no longer reads.
TEST(WeightWarnings, AreKeptBetweenRuns) {
  const test::TemporaryDirectory directory;
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) tensor.bytes.assign(tensor.bytes.size(), '\0');
  };
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint first = Checkpoint::open(directory.path()), second = Checkpoint::open(directory.path());
  std::vector<float> out(first.element_count(Role::up));
  first.load(Role::up, 1, out);
  EXPECT_EQ(weight_warnings(first).size(), 1u);
  EXPECT_TRUE(weight_warnings(second).empty());
  second.know_constants(first.constant_values());
  EXPECT_EQ(weight_warnings(second), weight_warnings(first));
}

TEST(LossWarnings, NoBetterThanChance) {
  EXPECT_TRUE(loss_warnings(std::log(40.0) - 1e-6, 40).empty());
  EXPECT_TRUE(loss_warnings(std::nan(""), 40).empty());  // has a warning of its own
  const auto warning = loss_warnings(5.0, 40);
  ASSERT_EQ(warning.size(), 1u);
  EXPECT_NE(warning[0].find("5 nats per token, is not below ln(vocabulary) = 3.689"), std::string::npos)
      << warning[0];
}

TEST(LossWarnings, ARecordOfRandomWeightsHasOne) {
  const test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({.documents = 2, .windows = 1, .shortest = 66, .longest = 70});
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, {.clean_only = true}, {});
  bool said = false;
  for (const std::string& warning : trace.warnings)
    said |= warning.find("no better than chance") != std::string::npos;
  EXPECT_TRUE(said);
}

}  // namespace
}  // namespace strata
