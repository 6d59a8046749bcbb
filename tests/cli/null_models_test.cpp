// The nulls beside a run: networks with random weights, and the same text shuffled.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/workflow/null_count.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

// The run directory and nothing else: no checkpoint is left.
const std::vector<std::string> kNullFiles = {"arrays.npz",  "blocks.csv",    "brittleness.csv",
                                             "edges.csv",   "manifest.json", "rate_distortion.csv",
                                             "report.html", "results.json",  "states.csv"};

class NullModels : public testing::Test {
 protected:
  NullModels() { write_model(path("model"), tiny_with_tokenizer()); }
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  // No lanes worth the time.
  Result analyze(const char* output, const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"--layers", "0", "--lane-tokens", "64", "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return strata(quick_analyze(path("model"), path(output), all));
  }
  [[nodiscard]] nlohmann::json results(const char* run) const {
    return nlohmann::json::parse(slurp(path(run) / "results.json"));
  }
  static TinyCheckpoint tiny() {
    TinyCheckpoint t = tiny_with_tokenizer();
    t.layers = 10;  // room for boundaries between start-up and read-out
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
  EXPECT_EQ(names_in(path("with")), kNullFiles);
  EXPECT_TRUE(slurp(path("with") / "results.json") == slurp(path("again") / "results.json"));
  nlohmann::json a = results("with"), b = results("without"), c = results("more");
  const nlohmann::json twins = a["findings"]["random_twins"];
  ASSERT_EQ(twins.size(), 6u);  // the rule and its two detectors, for both token sets
  for (std::size_t i = 0; i < 6; ++i) {
    if (twins[i]["defined"] == false) continue;
    ASSERT_EQ(twins[i]["statistic"].size(), 2u);
    const auto evidence = a["findings"]["detections"][i]["evidence"].get<std::vector<double>>();
    EXPECT_EQ(twins[i]["observed"], *std::max_element(evidence.begin(), evidence.end()));
    EXPECT_NE(twins[i]["statistic"][0], twins[i]["statistic"][1]);  // two networks
    // One more network leaves the first two as they were.
    EXPECT_EQ(c["findings"]["random_twins"][i]["statistic"][1], twins[i]["statistic"][1]);
  }
  EXPECT_TRUE(b["findings"]["random_twins"].empty());
  EXPECT_TRUE(b["findings"]["null_profiles"].empty());
  ASSERT_EQ(a["findings"]["null_profiles"].size(), 1u);
  EXPECT_EQ(a["findings"]["null_profiles"][0]["runs"], 2);
  const auto sentences = a["findings"]["sentences"].get<std::vector<std::string>>();
  EXPECT_EQ(std::count_if(sentences.begin(), sentences.end(),
                          [](const std::string& s) { return s.starts_with("Of 2 networks"); }),
            1);
  for (nlohmann::json* json : {&a, &b}) {
    (*json)["findings"].erase("random_twins");
    (*json)["findings"].erase("null_profiles");
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
  EXPECT_EQ(names_in(path("stopped")), (std::vector<std::string>{"partial", "report.html"}));
}

TEST_F(NullModels, WhatAKilledRunLeftIsTakenAway) {
  EXPECT_EQ(analyze("out", {"--null-models", "0"}).code, 0);
  fs::create_directories(path("out") / ".strata-random-weights-3");
  write_text(path("out") / ".strata-random-weights-3" / "config.json", "{}");
  const Result result = analyze("out", {"--null-models", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(names_in(path("out")), kNullFiles);
}

TEST_F(NullModels, MisuseIsOneLineAndExitCode2) {
  for (const char* count : {"-1", "some", "1000", "2.5"}) {
    const Result result = analyze("out", {std::string("--null-models=") + count});
    EXPECT_EQ(result.code, 2) << count;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find("--null-models"), std::string::npos) << result.err;
  }
  for (const char* text : {"-1", "0", "some", "2.5", "all"}) {
    const Result result = analyze("out", {std::string("--shuffled-text=") + text});
    EXPECT_EQ(result.code, 2) << text;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find("--shuffled-text: '" + std::string(text) + "'"), std::string::npos)
        << result.err;
  }
}

// A checkpoint is written for each: not for gigabytes unless it is asked for.
TEST(NullModelCount, OneByDefaultUpToTwoBillionParameters) {
  ModelConfig config;
  config.family = "llama";
  config.n_layers = 12;
  config.hidden = config.ffn = 256;
  config.heads = config.kv_heads = 4;
  config.head_dim = 64;
  config.vocab = 4096;
  EXPECT_EQ(null_model_count("", config).count, 1);
  EXPECT_EQ(null_model_count("", config).note, "");
  EXPECT_EQ(null_model_count("auto", config).count, 19);
  EXPECT_EQ(null_model_count("7", config).count, 7);
  config.hidden = config.ffn = 4096;
  config.n_layers = 64;
  ASSERT_GT(count_parameters(config).total, 2'000'000'000);
  EXPECT_EQ(null_model_count("", config).count, 0);
  EXPECT_NE(null_model_count("", config).note.find("none by default: 3."), std::string::npos)
      << null_model_count("", config).note;
  EXPECT_EQ(null_model_count("auto", config).count, 1);
  EXPECT_EQ(null_model_count("1", config).count, 1);
  config.n_layers = 1;
  config.rope_factors = {1.0f};
  EXPECT_EQ(null_model_count("", config).count, 0);
  EXPECT_NE(null_model_count("", config).note.find("rope"), std::string::npos);
  EXPECT_THROW((void)null_model_count("1000", config), Error);
}

// The program's own defaults, on a model with room for boundaries.
class DefaultNulls : public NullModels {
 protected:
  DefaultNulls() { write_model(model_, tiny()); }
  fs::path model_ = path("deep");
  [[nodiscard]] std::vector<std::string> arguments(const char* output,
                                                   const std::vector<std::string>& more) const {
    std::vector<std::string> wanted = more;
    wanted.insert(wanted.end(), {"--layers", "0", "--lane-tokens", "64", "--chunks", "40"});
    std::vector<std::string> all = quick_analyze(model_, path(output), wanted);
    for (const char* flag : {"--shuffled-text", "--null-models"}) {
      const auto at = std::find(all.begin(), all.end(), flag);
      if (std::find(more.begin(), more.end(), flag) == more.end()) all.erase(at, at + 2);  // quick_analyze's
    }
    return all;
  }
};

TEST_F(DefaultNulls, AreBesideTheRunWithTheSameBytesHoweverItIsRun) {
  const Result run = strata(arguments("run", {}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(names_in(path("run")), kNullFiles);
  for (const char* phase : {"shuffled text, clean sweep: ", "same text in order, clean sweep: ",
                            "shuffled text, boundaries: ", "random weights 1/1, clean sweep: "})
    EXPECT_NE(run.err.find(phase), std::string::npos) << phase;
  const nlohmann::json a = results("run");
  const nlohmann::json& profiles = a["findings"]["null_profiles"];
  ASSERT_EQ(profiles.size(), 2u);
  EXPECT_EQ(profiles[0]["kind"], "shuffled text");
  EXPECT_EQ(profiles[0]["runs"], 1);
  EXPECT_LE(profiles[0]["tokens"], 4096);
  EXPECT_GT(profiles[0]["tokens"], 2048);
  EXPECT_EQ(profiles[0]["detections"].size(), 6u);  // without the reproductions
  EXPECT_EQ(profiles[1]["kind"], "random weights");
  EXPECT_EQ(profiles[1]["tokens"], profiles[0]["tokens"]);  // on the same sample
  ASSERT_EQ(a["findings"]["random_twins"].size(), 6u);
  EXPECT_EQ(a["findings"]["random_twins"][0]["statistic"].size(), 1u);
  // Every primary series, and no other.
  std::vector<std::string> primary;
  for (const nlohmann::json& series : a["series"]) {
    if (series["tokens"] == "ordinary" && series["group"] != "control") primary.push_back(series["id"]);
  }
  for (const nlohmann::json& profile : profiles) {
    ASSERT_EQ(profile["series"].size(), primary.size());
    EXPECT_GE(profile["compared"], 8);
    for (std::size_t i = 0; i < primary.size(); ++i) EXPECT_EQ(profile["series"][i]["id"], primary[i]);
  }
  const auto sentences = a["findings"]["sentences"].get<std::vector<std::string>>();
  for (const char* start : {"The profile is", "On shuffled text the same detector says", "Of one network"})
    EXPECT_TRUE(std::any_of(sentences.begin(), sentences.end(), [&](const std::string& s) {
      return s.starts_with(start);
    })) << start;
  const Result other = strata(arguments("other", {"-t", "2", "-b", "3", "--mem-limit", "400M", "--quiet"}));
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_TRUE(slurp(path("run") / "results.json") == slurp(path("other") / "results.json"));
  // Another seed is another order of the tokens.
  ASSERT_EQ(strata(arguments("seed", {"--seed", "5", "--quiet"})).code, 0);
  EXPECT_NE(results("seed")["findings"]["null_profiles"][0]["series"], profiles[0]["series"]);
}

TEST_F(DefaultNulls, ResumeEndsWithTheSameBytes) {
  model_ = repo_path("models/llama-nano");  // large enough to be stopped in a phase
  const auto run = [&](const std::string& output, std::vector<std::string> more) {
    more.insert(more.end(), {"--null-models", "2", "--surrogates", "99", "--label-samples", "1"});
    return arguments(output.c_str(), more);
  };
  ASSERT_EQ(strata(run("whole", {"--quiet"})).code, 0);
  const std::pair<std::string, int> stops[] = {{"shuffled text, clean sweep: ", SIGKILL},
                                               {"same text in order, clean sweep: ", SIGINT},
                                               {"random weights 1/2, clean sweep: ", SIGINT},
                                               {"random weights 2/2, clean sweep: ", SIGKILL}};
  for (const auto& [phase, signal] : stops) {
    SCOPED_TRACE(phase + std::to_string(signal));
    const std::string output = phase.substr(0, 16);
    Child child(run(output, {}));
    ASSERT_TRUE(child.wait_for(phase)) << child.wait().err;
    child.send(signal);
    const Result stopped = child.wait();
    EXPECT_EQ(stopped.code, signal == SIGINT ? 130 : 1000 + SIGKILL) << stopped.err;
    EXPECT_EQ(stopped.err.find("--resume goes on") != std::string::npos, signal == SIGINT) << stopped.err;
    EXPECT_FALSE(fs::exists(path(output.c_str()) / "results.json"));
    const Result resumed = strata(run(output, {"--resume"}));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(names_in(path(output.c_str())), kNullFiles);
    EXPECT_TRUE(slurp(path(output.c_str()) / "results.json") == slurp(path("whole") / "results.json"));
    // Neither the model's sweeps nor the nulls that were done are repeated.
    EXPECT_EQ(resumed.err.find("\nclean sweep: "), std::string::npos) << resumed.err;
    EXPECT_EQ(resumed.err.find("\nlanes: "), std::string::npos) << resumed.err;
    if (!phase.starts_with("shuffled")) {
      EXPECT_EQ(resumed.err.find("shuffled text, clean sweep: "), std::string::npos) << resumed.err;
    }
    if (phase.starts_with("random weights 2")) {
      EXPECT_EQ(resumed.err.find("random weights 1/2"), std::string::npos) << resumed.err;
    }
  }
}

TEST_F(DefaultNulls, TheDryRunNamesTheirCost) {
  const Result result = strata(arguments("dry", {"--dry-run"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("shuffled text: 16 documents, 4096 tokens, 2 clean sweeps"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("networks with random weights: 1, one clean sweep of that sample each"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("price of the matrix products"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("dry")));
}

// Documents whole: where that is the text, it is swept once, and compared with the record's own series.
TEST_F(DefaultNulls, TheWholeTextIsSweptInShuffledOrderOnly) {
  const Result result = strata(arguments("all", {"--shuffled-text", "900", "--null-models", "0"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err.find("same text in order"), std::string::npos) << result.err;
  const nlohmann::json all = results("all");
  const nlohmann::json& profile = all["findings"]["null_profiles"][0];
  EXPECT_EQ(profile["tokens"], all["n_tokens"]);
  for (const nlohmann::json& series : profile["series"]) {
    EXPECT_TRUE(series["model"].empty());
    const auto own = std::find_if(all["series"].begin(), all["series"].end(), [&](const nlohmann::json& s) {
      return s["id"] == series["id"] && s["tokens"] == "ordinary";
    });
    ASSERT_NE(own, all["series"].end());
    EXPECT_EQ((*own)["mean"].size(), series["mean"].size());
    EXPECT_NE((*own)["mean"], series["mean"]) << series["id"];
  }
}

}  // namespace
}  // namespace strata::test
