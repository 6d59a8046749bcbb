// Every architecture against Hugging Face transformers: states and logits of tiny checkpoints that it
// computed (the data folder's reference/architectures, float32), from their own format and from GGUF.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "tests/model/reference_folder.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/reference_gguf.h"

namespace strata {
namespace {

using nlohmann::json;
using test::Computed;
using test::lengths_of;
using test::npy_values;
using test::relative_difference;
using test::run_through;
namespace fs = std::filesystem;

constexpr double kWorst = 1e-4;  // worst element over the array's RMS

// Largest difference of a state or the logits, each over its RMS.
double worst_difference(const Computed& ours, const fs::path& folder, const std::string& length) {
  const NpyArray reference = read_npy(folder / ("states_" + length + ".npy"));
  const auto& states = std::get<std::vector<float>>(reference.data);
  EXPECT_EQ(states.size(), ours.states.size());
  if (states.size() != ours.states.size()) return INFINITY;
  const std::size_t each = reference.shape[1] * reference.shape[2];
  double worst = 0.0;
  for (std::size_t at = 0; at < states.size(); at += each) {
    worst = std::max(worst, relative_difference(ours.states.data() + at, states.data() + at, each));
  }
  const fs::path path = folder / ("logits_" + length + ".npy");
  EXPECT_EQ(fs::exists(path), !ours.logits.empty());
  if (!fs::exists(path) || ours.logits.empty()) return worst;
  const auto logits = npy_values<float>(path);
  EXPECT_EQ(logits.size(), ours.logits.size());
  return std::max(worst, relative_difference(ours.logits, logits));
}

class Architecture : public testing::TestWithParam<const char*> {};

TEST_P(Architecture, StatesAndLogitsOfTransformers) {
  FOLDER_OR_SKIP(folder, GetParam());
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  for (const std::string& length : lengths_of(*folder)) {
    const auto ids = npy_values<std::int32_t>(*folder / fmt::format("ids_{}.npy", length));
    const double worst = worst_difference(run_through(checkpoint, ids), *folder, length);
    fmt::print("{} {}: {:.1e} of the RMS\n", GetParam(), length, worst);
    EXPECT_LT(worst, kWorst) << length;
  }
}

// Probabilities of all experts, and those taken, the best first.
TEST_P(Architecture, RoutesOfTransformers) {
  FOLDER_OR_SKIP(folder, GetParam());
  if (!fs::exists(*folder / "router_long.npy")) return;
  const Computed ours =
      run_through(Checkpoint::open(*folder), npy_values<std::int32_t>(*folder / "ids_long.npy"));
  const auto probability = npy_values<float>(*folder / "router_long.npy");
  ASSERT_EQ(ours.router.size(), probability.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < probability.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(ours.router[i]) - probability[i]));
  EXPECT_LT(worst, 1e-5);
  EXPECT_EQ(ours.router_top, npy_values<std::int32_t>(*folder / "router_top_long.npy"));
}

// Key by key what the blocks are, and the same numbers to the bit, but where a factor went through float32.
TEST_P(Architecture, TheSameFromGguf) {
  FOLDER_OR_SKIP(folder, GetParam());
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  const bool dynamic =
      checkpoint.config().scaled_rope && checkpoint.config().scaled_rope->type == RopeType::dynamic;
  if (dynamic) GTEST_SKIP() << "GGUF has no key for it";
  test::TemporaryDirectory directory;
  test::write_text(directory.path() / "model.gguf", test::reference_gguf(*folder).bytes());
  const Checkpoint gguf = Checkpoint::open(directory.path() / "model.gguf");
  const std::string family = GetParam();
  if (family.starts_with("smollm3")) {
    // llama.cpp takes the rotation from every fourth block, whatever config.json says.
    EXPECT_EQ(gguf.config().no_rope, (std::vector<char>{0, 0, 0, 1}));
    return;
  }
  // llama.cpp has no key of it either.
  const bool raw = checkpoint.config().experts &&
                   checkpoint.config().experts->normalise != gguf.config().experts->normalise;
  if (raw) GTEST_SKIP() << "llama.cpp makes the weights of the experts sum to 1 or not by the architecture";
  for (int layer = 0; layer < gguf.config().n_layers; ++layer)
    EXPECT_EQ(describe_block(gguf.config(), layer), describe_block(checkpoint.config(), layer)) << layer;
  for (const std::string& length : lengths_of(*folder)) {
    const auto ids = npy_values<std::int32_t>(*folder / fmt::format("ids_{}.npy", length));
    const Computed ours = run_through(gguf, ids), theirs = run_through(checkpoint, ids);
    EXPECT_LT(relative_difference(ours.states, theirs.states), kWorst) << length;
    if (checkpoint.config().has_head) {
      EXPECT_LT(worst_difference(ours, *folder, length), kWorst) << length;
    }
  }
}

constexpr const char* kFolders[] = {"llama-rope-llama3",
                                    "llama-rope-llama3-old",
                                    "llama-rope-llama3-top",
                                    "llama-2",
                                    "llama-bias",
                                    "llama-head-dim",
                                    "llama-rope-linear",
                                    "llama-rope-dynamic",
                                    "llama-rope-yarn",
                                    "llama-rope-longrope",
                                    "qwen2",
                                    "qwen2-sliding",
                                    "qwen3",
                                    "qwen3-sliding",
                                    "qwen3-yarn",
                                    "qwen3-embedding",
                                    "qwen3-embedding-hub",
                                    "mistral",
                                    "mistral-sliding",
                                    "ministral",
                                    "ministral3",
                                    "smollm3",
                                    "smollm3-sliding",
                                    "phi3",
                                    "phi3-longrope",
                                    "qwen2-moe",
                                    "qwen2-moe-sparse-step",
                                    "qwen3-moe",
                                    "mixtral",
                                    "qwen3-next",
                                    "qwen3.5-text",
                                    "qwen3.5",
                                    "qwen3.5-moe"};
std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Reference, Architecture, testing::ValuesIn(kFolders), test_name);

// Computed without the mask it is another model (is_causal false).
TEST(Architecture, BidirectionalAttentionIsRefused) {
  FOLDER_OR_SKIP(folder, "qwen3-bidirectional");
  EXPECT_STRATA_ERROR(Checkpoint::open(*folder), ErrorKind::unsupported, "is_causal");
}

TEST(Architecture, ABaseModelHasStatesAndNoHead) {
  FOLDER_OR_SKIP(folder, "qwen3-embedding");
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  EXPECT_FALSE(checkpoint.config().has_head);
  EXPECT_STRATA_ERROR(load_head(checkpoint, load_embedding(checkpoint)), ErrorKind::unsupported,
                      "without an output head");
}

}  // namespace
}  // namespace strata
