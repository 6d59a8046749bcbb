// A base model through the library: the same bytes after an interruption and on any threads; the noise floor
// of bfloat16 in the distance of its embedding.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "strata/base/error.h"
#include "strata/base/npy.h"
#include "strata/base/philox.h"
#include "strata/model/product.h"
#include "strata/workflow/analyze.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

class HeadlessWorkflow : public testing::Test {
 protected:
  HeadlessWorkflow() {
    test::TinyCheckpoint tiny{.family = "qwen3", .layers = 12};
    tiny.edit_config = [](nlohmann::json& config) { config["architectures"] = {"Qwen3Model"}; };
    tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
      std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "lm_head.weight"; });
    };
    test::write_checkpoint(directory_.path() / "model", tiny);
    std::vector<std::int32_t> ids(16 * 64);
    Philox rng({.seed = 5, .stream = Stream::test});
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.below(40));
    std::ofstream(directory_.path() / "ids.npy", std::ios::binary)
        << format_npy({.shape = {16, 64}, .data = std::move(ids)});
    request_.null_models = "0";
    request_.shuffled_text = "none";
    request_.surrogates = 19;
    request_.replicates = 20;
    request_.positions = 256;
    request_.lane_tokens = 1024;
  }
  [[nodiscard]] Model model() const { return Model::open(directory_.path() / "model"); }
  [[nodiscard]] Text text(const Model& model) const {
    return load_text(model, {.path = directory_.path() / "ids.npy"});
  }
  [[nodiscard]] strata::Run whole(int threads) const {
    const Model opened = model();
    return analyze(opened, text(opened), request_, {.threads = threads});
  }

  test::TemporaryDirectory directory_;
  Request request_;
};

TEST_F(HeadlessWorkflow, ResumedWithinAPhaseGivesTheSameBytes) {
  const std::string expected = results_json(whole(1));
  EXPECT_EQ(results_json(whole(2)), expected);
  const Model opened = model();
  const Text loaded = text(opened);
  for (const std::string stop : {"lanes", "backward sweep", "lanes over segments"}) {
    const fs::path output = directory_.path() / stop;
    bool reached = false;
    const auto until = [&](const ProgressEvent& event) {
      reached = reached || event.phase == stop;
      return event.phase != stop;
    };
    EXPECT_STRATA_ERROR(analyze_into({.directory = output}, opened, loaded, request_, {.threads = 1}, until),
                        ErrorKind::interrupted, "");
    EXPECT_TRUE(reached) << stop;
    const strata::Run resumed =
        analyze_into({.directory = output, .resume = true}, opened, loaded, request_, {.threads = 2});
    EXPECT_EQ(results_json(resumed), expected) << stop;
    EXPECT_EQ(results_json(read_run(output)), expected) << stop;
  }
}

TEST_F(HeadlessWorkflow, AnotherPoolingIsAnotherRun) {
  const Model opened = model();
  const Text loaded = text(opened);
  const fs::path output = directory_.path() / "run";
  EXPECT_STRATA_ERROR(analyze_into({.directory = output}, opened, loaded, request_, {.threads = 1},
                                   [](const ProgressEvent& event) { return event.phase != "lanes"; }),
                      ErrorKind::interrupted, "");
  fs::create_directories(directory_.path() / "model/1_Pooling");
  test::write_text(directory_.path() / "model/1_Pooling/config.json",
                   R"({"pooling_mode_mean_tokens": true})");
  EXPECT_STRATA_ERROR(
      analyze_into({.directory = output, .resume = true}, opened, loaded, request_, {.threads = 1}),
      ErrorKind::usage, "another model");
  EXPECT_EQ(whole(1).trace.model.pooling, "mean over tokens (1_Pooling/config.json)");
}

TEST_F(HeadlessWorkflow, BelowTheNoiseFloorADistanceIsUndefined) {
  if (const std::string why = why_not_computed(ComputeDType::bfloat16); !why.empty()) GTEST_SKIP() << why;
  const strata::Run exact = whole(1);
  EXPECT_TRUE(std::isnan(exact.trace.run.noise_floor_distance));
  request_.dtype = ComputeDType::bfloat16;
  const strata::Run run = whole(1);
  const double floor = run.trace.run.noise_floor_distance;
  EXPECT_GT(floor, 0.0);
  EXPECT_LT(floor, 1e-3);
  EXPECT_TRUE(std::isnan(run.trace.run.noise_floor_nats));
  ASSERT_EQ(run.trace.curves.size(), exact.trace.curves.size());
  int below = 0, above = 0;
  for (std::size_t c = 0; c < run.trace.curves.size(); ++c) {
    const DoseCurve &rounded = run.trace.curves[c], &reference = exact.trace.curves[c];
    const std::vector<double> weight(run.trace.documents.size(), 1.0);
    const auto mean = weighted_mean(rounded.embedding_distance, weight),
               expected = weighted_mean(reference.embedding_distance, weight);
    for (std::size_t s = 0; s < mean.size(); ++s) {
      // Far from the floor rounding decides nothing.
      if (expected[s] < 0.3 * floor) {
        EXPECT_FALSE(mean[s] > 3.0 * floor);
        ++below;
      } else if (expected[s] > 30.0 * floor) {
        EXPECT_NEAR(mean[s], expected[s], 0.3 * expected[s]);
        ++above;
      }
      if (!std::isnan(mean[s])) {
        EXPECT_GE(mean[s], floor);
      }
    }
  }
  EXPECT_GT(below, 0);
  EXPECT_GT(above, 0);
}

}  // namespace
}  // namespace strata
