// Planted networks, run by the engine: the short form of that part of the calibration.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

// The state jumps where planted, and the kernel detector says so; with random weights it is silent.
TEST(PlantedNetworks, AreCountedAndPlacedAndRandomOnesAreSmooth) {
  TemporaryDirectory directory;
  const auto run = [&](const char* name, const char* threads) {
    const Result result = strata({"calibrate", "--kinds", "networks,random", "--layers", "12", "--detectors",
                                  "kernel_cka", "--trials", "3", "--surrogates", "39", "--replicates", "20",
                                  "-t", threads, "-o", (directory.path() / name).string()});
    EXPECT_EQ(result.code, 0) << result.err;
    return slurp(directory.path() / name / "calibration.json");
  };
  const auto json = nlohmann::json::parse(run("one", "2"));
  int seen = 0;
  for (const auto& row : json["rows"]) {
    const std::string cell = row["cell"];
    if (row["measure"] == "recovered" && cell.starts_with("jumps of the state, ") &&
        !cell.ends_with("3 boundaries")) {
      EXPECT_GE(row["hits"], 2) << cell;
      ++seen;
    }
    if (cell == "random weights") {
      EXPECT_EQ(row["hits"], 0);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 3);
}

// Networks are written from the blocks of a trained model and read its text; a model that is not there is
// said.
TEST(PlantedNetworks, AreMadeOfTrainedBlocks) {
  TemporaryDirectory directory;
  const std::string model = repo_path("models/qwen3-nano").string();
  const Result result = strata({"calibrate", "--kinds", "trained", "--models", model, "--layers", "12",
                                "--trials", "1", "--surrogates", "99", "--replicates", "10", "--detectors",
                                "either", "-t", "2", "-o", directory.path().string()});
  ASSERT_EQ(result.code, 0) << result.err;
  int cells = 0;
  const auto record = nlohmann::json::parse(slurp(directory.path() / "calibration.json"));
  for (const auto& row : record["rows"]) {
    if (row["measure"] == "all_edges_show") ++cells;
    // The one whose edge has six blocks on both sides.
    if (row["cell"] == "two blocks repeated" &&
        (row["measure"] == "all_edges_show" || row["measure"] == "recovered")) {
      EXPECT_EQ(row["hits"], 1) << row["measure"];
    }
  }
  EXPECT_EQ(cells, 8);
  const Result missing = strata({"calibrate", "--kinds", "trained", "--models", "no-such-model"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_NE(missing.err.find("no-such-model"), std::string::npos);
}

}  // namespace
}  // namespace strata::test
