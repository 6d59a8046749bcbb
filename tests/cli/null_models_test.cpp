// analyze --null-models: networks with random weights as a null.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The run directory and nothing else: no checkpoint is left.
const std::vector<std::string> kFiles = {"arrays.npz",  "blocks.csv",    "brittleness.csv",
                                         "edges.csv",   "manifest.json", "rate_distortion.csv",
                                         "report.html", "results.json",  "states.csv"};

class NullModels : public testing::Test {
 protected:
  NullModels() { write_model(path("model"), tiny_with_tokenizer()); }
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  // Six blocks, so that there is room for boundaries; no lanes worth the time.
  Result analyze(const char* output, const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"--layers", "0", "--lane-tokens", "64", "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return strata(quick_analyze(path("model"), path(output), all));
  }
  [[nodiscard]] Json results(const char* run) const { return Json::parse(slurp(path(run) / "results.json")); }
  static TinyCheckpoint tiny() {
    TinyCheckpoint t = tiny_with_tokenizer();
    t.layers = 6;
    return t;
  }
  TemporaryDirectory directory_;
};

TEST_F(NullModels, AreInTheRecordAndChangeNothingElse) {
  write_model(path("deep"), tiny());
  const auto run = [&](const char* output, std::vector<std::string> more) {
    more.insert(more.end(), {"--layers", "0", "--lane-tokens", "64", "--quiet"});
    return strata(quick_analyze(path("deep"), path(output), more));
  };
  const Result with = run("with", {"--null-models", "2"});
  ASSERT_EQ(with.code, 0) << with.err;
  ASSERT_EQ(run("again", {"--null-models", "2", "-t", "2"}).code, 0);
  ASSERT_EQ(run("without", {}).code, 0);
  ASSERT_EQ(run("more", {"--null-models", "3"}).code, 0);
  EXPECT_EQ(names_in(path("with")), kFiles);
  EXPECT_TRUE(slurp(path("with") / "results.json") == slurp(path("again") / "results.json"));
  Json a = results("with"), b = results("without"), c = results("more");
  const Json twins = a["findings"]["random_twins"];
  ASSERT_EQ(twins.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(twins[i]["statistic"].size(), 2u);
    EXPECT_EQ(twins[i]["observed"], a["findings"]["detections"][i]["tests"][0]["statistic"]);
    EXPECT_NE(twins[i]["statistic"][0], twins[i]["statistic"][1]);  // two networks
    // One more network leaves the first two as they were.
    EXPECT_EQ(c["findings"]["random_twins"][i]["statistic"][1], twins[i]["statistic"][1]);
  }
  EXPECT_TRUE(b["findings"]["random_twins"].empty());
  const auto sentences = a["findings"]["sentences"].get<std::vector<std::string>>();
  EXPECT_EQ(std::count_if(sentences.begin(), sentences.end(),
                          [](const std::string& s) { return s.find("2 networks") != std::string::npos; }),
            1);
  for (Json* json : {&a, &b}) {
    (*json)["findings"].erase("random_twins");
    (*json)["findings"].erase("sentences");
  }
  EXPECT_TRUE(a == b);
}

TEST_F(NullModels, TheDryRunSaysWhatTheyCost) {
  const Result none = analyze("dry", {"--dry-run"});
  EXPECT_EQ(none.out.find("random weights"), std::string::npos);
  const Result result = analyze("dry", {"--dry-run", "--null-models", "auto"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("networks with random weights: 19"), std::string::npos) << result.out;
  EXPECT_FALSE(fs::exists(path("dry")));
}

TEST_F(NullModels, InterruptedLeavesNoNetworks) {
  Child child(quick_analyze(path("model"), path("stopped"),
                            {"--layers", "0", "--lane-tokens", "64", "--null-models", "900"}));
  ASSERT_TRUE(child.wait_for("random weights 2/"));
  child.send(SIGTERM);
  const Result result = child.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  // What was measured before is kept for --resume; nothing of the random networks is.
  EXPECT_EQ(names_in(path("stopped")), std::vector<std::string>{"partial"});
}

TEST_F(NullModels, WhatAKilledRunLeftIsTakenAway) {
  fs::create_directories(path("out") / ".strata-random-weights-3");
  write_text(path("out") / ".strata-random-weights-3" / "config.json", "{}");
  const Result result = analyze("out", {"--null-models", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(names_in(path("out")), kFiles);
}

TEST_F(NullModels, MisuseIsOneLineAndExitCode2) {
  for (const char* count : {"-1", "some", "1000", "2.5"}) {
    const Result result = analyze("out", {std::string("--null-models=") + count});
    EXPECT_EQ(result.code, 2) << count;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find("--null-models"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace strata::test
