// GGUF files by llama.cpp's own converter, whose names, orders and keys are not ours. tests/model/convert.py
// makes them; STRATA_CONVERTED names their folder.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "strata/base/error.h"
#include "tests/model/reference_folder.h"
#include "tests/support/float_values.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

struct Loss {
  std::string_view folder, what;
};
// What the converter does not write: llama.cpp computes another network from the file, and so does strata.
constexpr std::array kLost{Loss{"llama-rope-dynamic", "no key for it"},
                           Loss{"llama-rope-llama3-top", "the factors are of the other original context"},
                           Loss{"mistral-sliding", "no window"},
                           Loss{"qwen2-sliding", "no window"},
                           Loss{"qwen3-sliding", "no window"},
                           Loss{"smollm3", "rotation in three of four blocks, whatever config.json says"},
                           Loss{"smollm3-sliding", "no window"}};
constexpr std::array kRefused{Loss{"llama-rope-longrope", "rope_factors_short"},
                              Loss{"llama-rope-yarn", "yarn_attn_factor"},
                              Loss{"qwen3-bidirectional", "attention.causal"}};

std::string_view find(std::span<const Loss> losses, const std::string& folder) {
  for (const Loss& loss : losses) {
    if (loss.folder == folder) return loss.what;
  }
  return {};
}

double worst_state(const fs::path& gguf, const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(gguf);
  double worst = 0.0;
  for (const std::string& length : test::lengths_of(folder)) {
    const auto ids = test::npy_values<std::int32_t>(folder / fmt::format("ids_{}.npy", length));
    const auto states = test::npy_values<float>(folder / fmt::format("states_{}.npy", length));
    const auto ours = test::run_through(checkpoint, ids).states;
    EXPECT_EQ(ours.size(), states.size());
    if (ours.size() != states.size()) return INFINITY;
    const std::size_t each = ids.size() * static_cast<std::size_t>(checkpoint.config().hidden);
    for (std::size_t at = 0; at < states.size(); at += each)
      worst = std::max(worst, test::relative_difference(ours.data() + at, states.data() + at, each));
  }
  return worst;
}

TEST(Converter, StatesOfItsFilesAreThoseOfTransformers) {
  const char* const converted = std::getenv("STRATA_CONVERTED");
  if (converted == nullptr || !test::shared_data("reference/architectures"))
    GTEST_SKIP()
        << "needs STRATA_CONVERTED (tests/model/convert.py) and the data folder (STRATA_SHARED_DATA)";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(converted)) {
    if (entry.path().extension() != ".gguf") continue;
    ++files;
    const std::string name = entry.path().stem();
    SCOPED_TRACE(name);
    const auto folder = test::folder_of(name);
    ASSERT_TRUE(folder);
    if (const std::string_view key = find(kRefused, name); !key.empty()) {
      try {
        (void)Checkpoint::open(entry.path());
        ADD_FAILURE() << "opened";
      } catch (const Error& error) {
        EXPECT_NE(std::string_view(error.what()).find(key), std::string_view::npos) << error.what();
      }
      continue;
    }
    const double worst = worst_state(entry.path(), *folder);
    fmt::print("{}: {:.1e} of the RMS\n", name, worst);
    if (find(kLost, name).empty()) {
      EXPECT_LT(worst, 1e-4);
    } else {
      EXPECT_GT(worst, 0.01);
    }
  }
  EXPECT_GE(files, 20);
}

}  // namespace
}  // namespace strata
