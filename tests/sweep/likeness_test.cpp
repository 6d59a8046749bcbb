// Unrelated models of one shape are no twins; quantized, pruned and tuned ones are.
#include "strata/sweep/likeness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/sweep/divergence.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

using Edit = std::function<void(std::vector<float>&, std::size_t columns)>;

// Every matrix of the model of `seed`, edited.
void write_edited(const fs::path& path, const Edit& edit, std::uint64_t seed = 1, int ffn = 64) {
  test::TinyCheckpoint tiny{.hidden = 32, .ffn = ffn, .head_dim = 8, .seed = seed};
  tiny.edit_tensors = [&](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) {
      if (tensor.shape.size() != 2) continue;
      std::vector<float> values(tensor.bytes.size() / sizeof(float));
      std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
      edit(values, static_cast<std::size_t>(tensor.shape[1]));
      tensor.bytes = test::encode(DType::f32, values);
    }
  };
  test::write_checkpoint(path, tiny);
}

// As Q2_K to Q6_K have it: groups of 16 between their least and largest value, in 2^bits levels.
Edit levels(int bits) {
  return [bits](std::vector<float>& values, std::size_t) {
    for (std::size_t begin = 0; begin < values.size(); begin += 16) {
      const auto end = values.begin() + static_cast<std::ptrdiff_t>(std::min(begin + 16, values.size()));
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto [low, high] = std::minmax_element(first, end);
      const float least = *low, step = (*high - *low) / static_cast<float>((1 << bits) - 1);
      for (auto x = first; x != end; ++x) *x = least + step * std::round((*x - least) / step);
    }
  };
}

// Adds normal noise of so many times the matrix's RMS: a fine-tune.
Edit tuned(double share) {
  return [share](std::vector<float>& values, std::size_t) {
    Philox rng({.seed = 7, .stream = Stream::test});
    double square = 0.0;
    for (const float x : values) square += double{x} * x;
    const double rms = std::sqrt(square / static_cast<double>(values.size()));
    for (float& x : values) x += static_cast<float>(share * rms * rng.normal());
  };
}

// Nothing of the smaller values.
Edit pruned(double share) {
  return [share](std::vector<float>& values, std::size_t) {
    auto sizes = values;
    for (float& x : sizes) x = std::fabs(x);
    std::sort(sizes.begin(), sizes.end());
    const float least = sizes[static_cast<std::size_t>(share * static_cast<double>(sizes.size()))];
    for (float& x : values) x = std::fabs(x) < least ? 0.0f : x;
  };
}

const Edit kAsItIs = [](std::vector<float>&, std::size_t) {};

class LikenessTest : public testing::Test {
 protected:
  void SetUp() override { write_edited(path("original"), kAsItIs); }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] Likeness with(const std::string& other) const {
    return weight_likeness(Checkpoint::open(path("original")), Checkpoint::open(path(other)));
  }
  void require(const std::string& other) const {
    const Checkpoint a = Checkpoint::open(path("original")), b = Checkpoint::open(path(other));
    require_likeness(a, b, weight_likeness(a, b));
  }
  test::TemporaryDirectory directory_;
};

TEST_F(LikenessTest, QuantizedPrunedAndTunedVersionsAreOfOneModel) {
  const std::pair<Edit, double> versions[] = {
      {kAsItIs, 1.0 - 1e-12}, {levels(8), 0.9999}, {levels(4), 0.99},  {levels(3), 0.98}, {levels(2), 0.93},
      {pruned(0.5), 0.95},    {pruned(0.9), 0.6},  {tuned(0.1), 0.99}, {tuned(1.0), 0.65}};
  for (const auto& [edit, least] : versions) {
    fs::remove_all(path("other"));
    write_edited(path("other"), edit);
    EXPECT_GT(with("other").median, least);
    EXPECT_NO_THROW(require("other"));
  }
  EXPECT_EQ(with("original").matrices.size(), 21u);  // seven in each of three blocks
}

TEST_F(LikenessTest, ModelsOfOtherSeedsAreRefusedWithTheFigures) {
  for (std::uint64_t seed = 2; seed < 12; ++seed) {
    fs::remove_all(path("other"));
    write_edited(path("other"), kAsItIs, seed);
    EXPECT_LT(std::fabs(with("other").median), 0.1) << seed;
    EXPECT_STRATA_ERROR(require("other"), ErrorKind::usage, "their median correlation over 21 matrices is");
  }
}

// Rows with a common offset are no likeness.
TEST_F(LikenessTest, AnOffsetThatAllRowsShareIsTakenOff) {
  const Edit offset = [](std::vector<float>& values, std::size_t) {
    for (float& x : values) x += 3.0f;
  };
  write_edited(path("a"), offset);
  write_edited(path("b"), offset, 2);
  EXPECT_LT(weight_likeness(Checkpoint::open(path("a")), Checkpoint::open(path("b"))).median, 0.1);
  EXPECT_GT(with("a").median, 0.999);
}

// A version with other widths inside is compared by what has kept its shape.
TEST_F(LikenessTest, OnlyMatricesOfOneShapeCount) {
  write_edited(path("narrow"), kAsItIs, 1, 24);
  const Likeness likeness = with("narrow");
  EXPECT_EQ(likeness.matrices.size(), 12u);  // q, k, v, o
  EXPECT_GT(likeness.median, 0.999);
}

TEST_F(LikenessTest, MatricesOfOneValueDecideNothing) {
  write_edited(path("zero"), [](std::vector<float>& values, std::size_t) {
    std::fill(values.begin(), values.end(), 0.0f);
  });
  EXPECT_TRUE(std::isnan(with("zero").median));
  EXPECT_STRATA_ERROR(require("zero"), ErrorKind::usage, "no matrix that could be compared");
}

// The three trained models have one width and one vocabulary, and are three models.
TEST_F(LikenessTest, TheTrainedModelsAreThreeModels) {
  const char* const names[] = {"models/llama-nano", "models/qwen2-nano", "models/qwen3-nano"};
  for (const char* a : names) {
    for (const char* b : names) {
      const Likeness likeness =
          weight_likeness(Checkpoint::open(test::repo_path(a)), Checkpoint::open(test::repo_path(b)));
      if (std::string(a) == b) {
        EXPECT_GT(likeness.median, 0.999);
      } else {
        EXPECT_LT(likeness.median, 0.3) << a << " " << b;
      }
    }
  }
}

TEST_F(LikenessTest, TheComparisonRefusesBeforeItMeasures) {
  write_edited(path("other"), kAsItIs, 2);
  write_edited(path("rounded"), levels(4));
  const Corpus corpus = test::random_corpus({.documents = 2, .windows = 1, .shortest = 66, .longest = 70});
  const Checkpoint a = Checkpoint::open(path("original"));
  const auto measure = [&](const std::string& name) {
    const Checkpoint b = Checkpoint::open(path(name));
    return measure_divergence({.original = a, .other = b, .corpus = corpus}, {.lane_tokens = 64}, {});
  };
  EXPECT_STRATA_ERROR((void)measure("other"), ErrorKind::usage, "weights of two models");
  EXPECT_GT(measure("rounded").weight_correlation, 0.99);
}

}  // namespace
}  // namespace strata
