// strata analyze on a model and on its conversion to GGUF.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

// results.json without what says which file it was.
nlohmann::json without_identity(const std::filesystem::path& run) {
  auto json = nlohmann::json::parse(slurp(run / "results.json"));
  json["run"].erase("tokenizer_sha256");
  for (const char* key : {"name", "weight_dtype", "checkpoint_sha256"}) json["model"].erase(key);
  return json;
}

class Twins : public testing::TestWithParam<const char*> {};

// A model and its conversion to GGUF F32 by llama.cpp: the same ids, weights and numbers, to the last bit.
TEST_P(Twins, GgufGivesTheSameNumbers) {
  const std::string model = GetParam();
  const auto gguf = shared_data("models/gguf/" + model + ".F32.gguf");
  if (!gguf) GTEST_SKIP() << "needs models/gguf of the data folder (STRATA_SHARED_DATA)";
  TemporaryDirectory directory;
  const auto a = directory.path() / "safetensors", b = directory.path() / "gguf";
  for (const auto& [path, run] : {std::pair(repo_path("models") / model, a), std::pair(*gguf, b)}) {
    const Result result = strata(quick_analyze(path, run, {"--layers", "0,5"}));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  EXPECT_EQ(without_identity(a), without_identity(b));
  for (const char* file : {"states.csv", "blocks.csv", "edges.csv", "brittleness.csv", "rate_distortion.csv"})
    EXPECT_EQ(slurp(a / file), slurp(b / file)) << file;
}

INSTANTIATE_TEST_SUITE_P(Nano, Twins, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& twin) { return std::string(twin.param).substr(0, 5); });

}  // namespace
}  // namespace strata::test
