// strata analyze on a small model of every family: the same bytes whatever the threads, batch and memory, and
// what a block does not have is undefined with a reason.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "strata/base/npy.h"
#include "strata/base/philox.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFamilyDocuments = 4, kFamilyTokens = 80;

void write_ids(const fs::path& path) {
  NpyArray ids{.shape = {kFamilyDocuments, kFamilyTokens}, .data = std::vector<std::int32_t>()};
  Philox rng({.seed = 5, .stream = Stream::test});
  for (std::size_t i = 0; i < kFamilyDocuments * kFamilyTokens; ++i)
    std::get<std::vector<std::int32_t>>(ids.data).push_back(static_cast<std::int32_t>(rng.below(40)));
  std::ofstream(path, std::ios::binary) << format_npy(ids);
}

// The values of a series over the blocks, of the first document.
nlohmann::json blocks_of(const nlohmann::json& results, const std::string& id) {
  for (const nlohmann::json& series : results["series"]) {
    if (series["id"] == id && series["tokens"] == "all") return series;
  }
  return {};
}

TEST(Families, SameBytesWhateverTheResources) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.id);
    TemporaryDirectory directory;
    const TinyCheckpoint tiny{.family = std::string(family.id), .layers = 5, .head_dim = 8};
    write_checkpoint(directory.path() / "model", tiny);
    write_ids(directory.path() / "ids.npy");
    const auto run = [&](const std::string& name, std::vector<std::string> more) {
      more.insert(more.end(), {"-f", (directory.path() / "ids.npy").string(), "--quiet", "--interventions",
                               "all", "--null-models", "0"});
      const Result result = strata(quick_analyze(directory.path() / "model", directory.path() / name, more));
      EXPECT_EQ(result.code, 0) << result.err;
      return slurp(directory.path() / name / "results.json");
    };
    const std::string one = run("one", {"-t", "1", "-b", "1"});
    EXPECT_EQ(one, run("two", {"-t", "2", "-b", "16", "--mem-limit", "200M"}));

    const nlohmann::json results = nlohmann::json::parse(one);
    const nlohmann::json distance = blocks_of(results, "attention_distance");
    ASSERT_FALSE(distance.is_null());
    const ModelConfig config = Checkpoint::open(directory.path() / "model").config();
    for (int layer = 0; layer < config.n_layers; ++layer) {
      const bool attends = describe_block(config, layer).mixer == Mixer::attention;
      EXPECT_EQ(distance["by_doc"][0][static_cast<std::size_t>(layer)].is_number(), attends) << layer;
      bool edited = false;
      for (const nlohmann::json& curve : results["curves"])
        edited = edited || (curve["intervention"] == "attention_uniform" && curve["place"] == layer);
      EXPECT_EQ(edited, attends) << layer;
    }
    EXPECT_EQ(distance["note"].get<std::string>().find("gated delta rule") != std::string::npos,
              family.delta_rule);
  }
}

// A curve for each expert, of which there are more than heads.
TEST(Families, EveryExpertIsDroppedWhereAsked) {
  TemporaryDirectory directory;
  const auto model = directory.path() / "model", run = directory.path() / "run";
  ASSERT_EQ(
      strata({"synth", "-o",         model.string(), "--family", "qwen3_moe", "--experts", "20", "--layers",
              "3",     "--hidden",   "32",           "--ffn",    "16",        "--heads",   "2",  "--kv-heads",
              "1",     "--head-dim", "16",           "--vocab",  "64"})
          .code,
      0);
  write_ids(directory.path() / "ids.npy");
  const Result result = strata(
      quick_analyze(model, run,
                    {"-f", (directory.path() / "ids.npy").string(), "--quiet", "--interventions",
                     "expert_drop,routed_noise,mixer_skip", "--frozen-routing", "--null-models", "0"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json results = nlohmann::json::parse(slurp(run / "results.json"));
  std::map<std::string, int> curves;
  for (const nlohmann::json& curve : results["curves"]) ++curves[curve["intervention"]];
  EXPECT_EQ(curves,
            (std::map<std::string, int>{{"expert_drop", 60}, {"mixer_skip", 3}, {"routed_noise", 4}}));
  EXPECT_FALSE(blocks_of(results, "sensitivity_frozen").is_null());
  EXPECT_FALSE(blocks_of(results, "router_entropy").is_null());
}

}  // namespace
}  // namespace strata::test
