// strata analyze end to end: the run directory, the same bytes again, interruption, output paths.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

const std::vector<std::string> kFiles = {"arrays.npz",  "blocks.csv",    "brittleness.csv",
                                         "edges.csv",   "manifest.json", "rate_distortion.csv",
                                         "report.html", "results.json",  "states.csv"};
const std::vector<std::string> kReproducible = {"arrays.npz", "blocks.csv",          "brittleness.csv",
                                                "edges.csv",  "rate_distortion.csv", "results.json",
                                                "states.csv"};

// One good run that the tests of this file look at.
class Analyze : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    write_model(model(), tiny_with_tokenizer());
    first_ = new Result(strata(quick_analyze(model(), run(), {"-b", "1"})));
  }
  static void TearDownTestSuite() {
    delete first_;
    delete directory_;
  }
  static std::filesystem::path model() { return directory_->path() / "tiny-model"; }
  static std::filesystem::path run() { return directory_->path() / "first-run"; }
  static std::filesystem::path other(const std::string& name) { return directory_->path() / name; }
  static const Result& first() { return *first_; }

 private:
  static inline TemporaryDirectory* directory_ = nullptr;
  static inline Result* first_ = nullptr;
};

TEST_F(Analyze, WritesEveryFileAndSaysWhereTheReportIs) {
  ASSERT_EQ(first().code, 0) << first().err;
  EXPECT_EQ(first().out, "");
  EXPECT_EQ(names_in(run()), kFiles);
  EXPECT_NE(first().err.find("report: " + (run() / "report.html").string()), std::string::npos);
  EXPECT_NE(first().err.find("clean sweep: "), std::string::npos);
  EXPECT_NE(first().err.find("lanes: "), std::string::npos);
  // Not a terminal: no colours, no cursor movement.
  EXPECT_EQ(first().err.find('\x1b'), std::string::npos);
  EXPECT_EQ(first().err.find('\r'), std::string::npos);
}

TEST_F(Analyze, ColoursATerminalUnlessNoColorIsSet) {
  if (!std::filesystem::exists("/dev/pts/ptmx"))
    GTEST_SKIP() << "this system has no pseudo-terminals (/dev/pts)";
  const std::string bold = "\x1b[1mtiny-model\x1b[0m";
  const Result coloured = strata_on_terminal(quick_analyze(model(), other("coloured")), {"NO_COLOR="});
  ASSERT_EQ(coloured.code, 0) << coloured.err;
  EXPECT_NE(coloured.err.find(bold), std::string::npos) << coloured.err;
  EXPECT_NE(coloured.err.find("\x1b[2K[####"), std::string::npos);  // a progress bar, in place
  const Result plain = strata_on_terminal(quick_analyze(model(), other("plain")), {"NO_COLOR=1"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(plain.err.find(bold), std::string::npos);
  EXPECT_EQ(plain.err.find("\x1b[0m"), std::string::npos);
  EXPECT_NE(plain.err.find("report: "), std::string::npos);
}

TEST_F(Analyze, ResultsHoldNoPathNoTimingAndNoNan) {
  const std::string text = slurp(run() / "results.json");
  const auto json = nlohmann::json::parse(text);
  EXPECT_TRUE(json.is_object());
  EXPECT_NE(text.find("\"tiny-model\""), std::string::npos);  // the name, without its path
  EXPECT_EQ(text.find(model().parent_path().string()), std::string::npos);
  for (const char* word : {"NaN", "nan,", "Infinity", "seconds", "\"threads\"", "batch_size"})
    EXPECT_EQ(text.find(word), std::string::npos) << word;
  const auto manifest = nlohmann::json::parse(slurp(run() / "manifest.json"));
  for (const char* phase :
       {"open and plan", "clean sweep", "signals", "lanes", "backward sweep", "boundaries", "nulls"})
    EXPECT_GE(manifest["seconds"].at(phase), 0.0) << phase;
  EXPECT_FALSE(manifest["seconds"].contains("measure"));  // one figure for four phases
  EXPECT_NE(manifest["command_line"].get<std::string>().find("strata analyze "), std::string::npos);
  EXPECT_EQ(manifest["threads"], 1);
  EXPECT_EQ(manifest["batch_size"], 1);
  EXPECT_GT(manifest["memory"]["measured_peak_bytes"], 1 << 20);
}

TEST_F(Analyze, TablesAreRectangular) {
  for (const char* name :
       {"states.csv", "blocks.csv", "edges.csv", "brittleness.csv", "rate_distortion.csv"}) {
    std::stringstream text(slurp(run() / name));
    std::string line;
    ASSERT_TRUE(std::getline(text, line)) << name;
    const auto fields = [](const std::string& row) {
      std::size_t count = 1;
      bool quoted = false;
      for (const char c : row) {
        quoted = quoted != (c == '"');
        count += c == ',' && !quoted ? 1 : 0;
      }
      return count;
    };
    const std::size_t columns = fields(line);
    EXPECT_GT(columns, 2u) << name;
    std::size_t rows = 0;
    for (; std::getline(text, line); ++rows) {
      EXPECT_EQ(fields(line), columns) << name << ": " << line;
      EXPECT_EQ(line.find("nan"), std::string::npos) << name << ": " << line;
    }
    EXPECT_GT(rows, 1u) << name;
  }
}

TEST_F(Analyze, ThreadsAndBatchDoNotChangeAByte) {
  const Result second = strata(quick_analyze(model(), other("second"), {"-t", "2", "-b", "16", "--quiet"}));
  ASSERT_EQ(second.code, 0) << second.err;
  for (const std::string& name : kReproducible) {
    EXPECT_FALSE(slurp(run() / name).empty()) << name;
    EXPECT_TRUE(slurp(run() / name) == slurp(other("second") / name)) << name;
  }
  // The seed does.
  const Result third = strata(quick_analyze(model(), other("third"), {"--seed", "1", "--quiet", "--json"}));
  ASSERT_EQ(third.code, 0) << third.err;
  EXPECT_FALSE(slurp(run() / "results.json") == slurp(other("third") / "results.json"));
  EXPECT_TRUE(third.out == slurp(other("third") / "results.json"));
}

TEST_F(Analyze, ReportIsMadeAgainFromTheRecordWithoutLibTorch) {
  const std::string report = slurp(run() / "report.html");
  ASSERT_GT(report.size(), 1000u);
  std::filesystem::remove(run() / "report.html");
  const Result again = strata({"report", run().string()}, {"LD_DEBUG=files"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.err.find("libtorch"), std::string::npos);
  EXPECT_TRUE(slurp(run() / "report.html") == report);
  EXPECT_EQ(names_in(run()), kFiles);
}

TEST_F(Analyze, ReportRefusesWhatIsNoRun) {
  std::filesystem::create_directories(other("broken"));
  for (const std::string& name : kFiles)
    write_text(other("broken") / name, name == "results.json" ? "{\"half" : slurp(run() / name));
  const Result broken = strata({"report", other("broken").string()});
  EXPECT_EQ(broken.code, 3);
  EXPECT_EQ(count_lines(broken.err), 1u) << broken.err;
  EXPECT_NE(broken.err.find("results.json"), std::string::npos) << broken.err;
}

// "models/llama/", as the shell completes it, is the same model with the same name.
TEST_F(Analyze, ASlashAtTheEndOfThePathChangesNothing) {
  const Result result = strata(quick_analyze(model().string() + "/", other("slash"), {"--quiet"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(slurp(run() / "results.json") == slurp(other("slash") / "results.json"));
}

TEST_F(Analyze, NeverOverwritesWhatIsNoRunDirectory) {
  write_text(other("mine") / "notes.txt", "mine");
  const Result full = strata(quick_analyze(model(), other("mine"), {"--quiet"}));
  EXPECT_EQ(full.code, 2);
  EXPECT_EQ(count_lines(full.err), 1u) << full.err;
  EXPECT_NE(full.err.find((other("mine")).string() + ": exists"), std::string::npos) << full.err;
  EXPECT_EQ(names_in(other("mine")), std::vector<std::string>{"notes.txt"});
  const auto file = other("mine") / "notes.txt";
  const Result on_file = strata(quick_analyze(model(), file, {"--quiet"}));
  EXPECT_EQ(on_file.code, 2);
  const Result below_file = strata(quick_analyze(model(), file / "run", {"--quiet"}));
  EXPECT_EQ(below_file.code, 1);
  EXPECT_NE(below_file.err.find("cannot create"), std::string::npos) << below_file.err;
  EXPECT_EQ(count_lines(below_file.err), 1u) << below_file.err;
  EXPECT_EQ(slurp(file), "mine");
}

// Stopped in the sweep and its lanes, and stopped while boundaries are sought: exit code 130, and what
// an earlier run wrote is still there.
TEST_F(Analyze, InterruptionLeavesTheEarlierRunAsItWas) {
  const std::string before = slurp(run() / "results.json");
  const std::vector<std::string> sweep = {"--chunks", "16", "--lane-tokens", "4096"};
  const std::vector<std::string> boundaries = {"--chunks",     "16", "--lane-tokens", "64",
                                               "--layers",     "0",  "--surrogates",  "100000",
                                               "--replicates", "20"};
  struct Case {
    std::string phase;
    int signal;
    std::vector<std::string> slow;
  };
  for (const Case& c : {Case{"clean sweep: ", SIGINT, sweep}, Case{"lanes: ", SIGTERM, sweep},
                        Case{"boundaries: ", SIGINT, boundaries}}) {
    SCOPED_TRACE(c.phase);
    std::vector<std::string> arguments = {
        "analyze", repo_path("models/llama-nano").string(), "-o", run().string(), "-t", "1"};
    arguments.insert(arguments.end(), c.slow.begin(), c.slow.end());
    Child child(arguments);
    ASSERT_TRUE(child.wait_for(c.phase)) << child.wait().err;
    child.send(c.signal);
    if (c.signal == SIGTERM && child.wait_for("once more stops at once")) child.send(c.signal);
    const Result result = child.wait();
    EXPECT_EQ(result.code, 130) << result.err;
    EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
    EXPECT_TRUE(slurp(run() / "results.json") == before);
    std::filesystem::remove_all(run() / "partial");
    EXPECT_EQ(names_in(run()), kFiles);  // and no temporary file beside them
  }
}

// kill -9 and Ctrl-C in each phase; the same command with --resume then writes the bytes of a run that
// nothing disturbed, and nothing else.
TEST_F(Analyze, ResumeEndsWithTheSameBytes) {
  std::vector<std::string> base = {"analyze", repo_path("models/llama-nano").string(), "--chunks", "16"};
  for (const char* flag : {"--shuffled-text=none", "--null-models=0"})  // null_models_test.cpp resumes them
    base.emplace_back(flag);
#if defined(STRATA_SANITIZE)  // ten times slower
  for (const char* flag :
       {"--lane-tokens=256", "--layers=0,6", "--positions=512", "--replicates=20", "--surrogates=500"})
    base.emplace_back(flag);
#else
  for (const char* flag :  // each phase long enough to be stopped in
       {"--lane-tokens=512", "--layers=0,6,11", "--positions=1024", "--replicates=40", "--surrogates=3000"})
    base.emplace_back(flag);
#endif
  const auto with = [&](const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), {"-o", other(output).string()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  ASSERT_EQ(strata(with("whole", {"--quiet"})).code, 0);
  // Each step and both ways to stop there: tests/sweep/resume_test.cpp.
  const std::pair<std::string, int> stops[] = {{"clean sweep: ", SIGKILL},
                                               {"signals: ", SIGINT},
                                               {"lanes: ", SIGKILL},
                                               {"backward sweep: ", SIGINT},
                                               {"boundaries: ", SIGINT}};
  for (const auto& [phase, signal] : stops) {
    SCOPED_TRACE(phase + std::to_string(signal));
    const std::string output = phase.substr(0, 5) + std::to_string(signal);
    Child child(with(output, {"-t", "1"}));
    ASSERT_TRUE(child.wait_for(phase)) << child.wait().err;
    child.send(signal);
    const Result stopped = child.wait();
    EXPECT_EQ(stopped.code, signal == SIGINT ? 130 : 1000 + SIGKILL) << stopped.err;
    EXPECT_FALSE(std::filesystem::exists(other(output) / "results.json"));
    const bool saved = std::filesystem::exists(other(output) / "partial" / "run.json");
    if (saved) {
      const Result report = strata({"report", other(output).string()});
      EXPECT_EQ(report.code, 3);
      EXPECT_NE(report.err.find("not finished"), std::string::npos) << report.err;
      EXPECT_EQ(count_lines(report.err), 1u) << report.err;
    }
    const Result again = strata(with(output, {"--resume", "--quiet", "--mem-limit", "1G"}));
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(names_in(other(output)), kFiles);
    for (const std::string& name : kReproducible)
      EXPECT_TRUE(slurp(other(output) / name) == slurp(other("whole") / name)) << name;
  }
}

TEST_F(Analyze, ResumeIsForTheSameRunOnly) {
  const std::string output = other("asked-otherwise").string();
  const std::vector<std::string> base = {"analyze",
                                         repo_path("models/llama-nano").string(),
                                         "--lane-tokens",
                                         "512",
                                         "--layers",
                                         "0,6",
                                         "--positions",
                                         "512",
                                         "--chunks",
                                         "16",
                                         "--surrogates",
                                         "19",
                                         "--replicates",
                                         "20",
                                         "-o",
                                         output};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  Child child(with({"-t", "1"}));
  ASSERT_TRUE(child.wait_for("lanes: ")) << child.wait().err;
  child.send(SIGKILL);
  (void)child.wait();
  const auto refused = [&](const std::vector<std::string>& more, const std::string& message) {
    const Result result = strata(with(more));
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find("internal"), std::string::npos);
  };
  refused({"--quiet"}, "holds an unfinished run");
  refused({"--quiet", "--resume", "--seed", "1"}, "--seed 0, not 1");
  refused({"--quiet", "--resume", "--ctx-size", "128"}, "another text");
  refused({"--quiet", "--resume", "--bottleneck"}, "--bottleneck false, not true");
  std::vector<std::string> other_model = with({"--quiet", "--resume"});
  other_model[1] = repo_path("models/qwen3-nano").string();
  const Result result = strata(other_model);
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("another model"), std::string::npos) << result.err;
  ASSERT_EQ(strata(with({"--quiet", "--resume"})).code, 0);
  refused({"--quiet", "--resume"}, "holds a finished run");
}

TEST_F(Analyze, CleanOnlyRunsNeitherLanesNorTheBackwardSweep) {
  const Result result = strata(quick_analyze(model(), other("clean"), {"--clean-only"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err.find("lanes: "), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("backward sweep: "), std::string::npos) << result.err;
  const auto manifest = nlohmann::json::parse(slurp(other("clean") / "manifest.json"));
  EXPECT_EQ(manifest["weights"]["reads_of_a_byte"]["least"], 1);
  EXPECT_EQ(manifest["weights"]["reads_of_a_byte"]["most"], 1);
  EXPECT_EQ(manifest["weights"]["bytes_read"], manifest["weights"]["predicted_bytes_read"]);
  const Result none = strata(quick_analyze(model(), other("none"), {"--interventions", "none"}));
  ASSERT_EQ(none.code, 0) << none.err;
  EXPECT_NE(none.err.find("backward sweep: "), std::string::npos) << none.err;
}

// Without lanes kappa is the backward sweep's: in the findings, the tables, the sentences and the summary.
TEST_F(Analyze, WithoutLanesKappaIsTheBackwardSweeps) {
  const Result none = strata(quick_analyze(model(), other("no-lanes"), {"--interventions", "none"}));
  ASSERT_EQ(none.code, 0) << none.err;
  const auto json = nlohmann::json::parse(slurp(other("no-lanes") / "results.json"));
  const auto& kappa = json["findings"]["kappa"];
  ASSERT_EQ(kappa.size(), 4u);
  const auto series = std::find_if(json["series"].begin(), json["series"].end(), [](const auto& s) {
    return s["id"] == "sensitivity" && s["tokens"] == "ordinary";
  });
  ASSERT_NE(series, json["series"].end());
  for (std::size_t i = 0; i < kappa.size(); ++i) {
    EXPECT_EQ(kappa[i]["estimator"], "backward");
    EXPECT_GT(kappa[i]["kappa"], 0.0);
    EXPECT_EQ(kappa[i]["kappa"], kappa[i]["fisher"]);
    EXPECT_NEAR(kappa[i]["kappa"].get<double>(), (*series)["mean"][i].get<double>(),
                1e-12 * kappa[i]["kappa"].get<double>());
    EXPECT_GT(kappa[i]["standard_error"], 0.0);
  }
  for (const auto& segment : json["findings"]["brittleness"]) EXPECT_GT(segment["kappa_geometric"], 0.0);
  EXPECT_NE(none.err.find("The most brittle places are"), std::string::npos) << none.err;
  EXPECT_NE(none.err.find("Kappa is the backward sweep's at every state"), std::string::npos) << none.err;
  std::stringstream states(slurp(other("no-lanes") / "states.csv"));
  std::string header, row;
  std::getline(states, header);
  std::getline(states, row);
  const auto column = [](const std::string& line, std::size_t wanted) {
    std::stringstream cells(line);
    std::string cell;
    for (std::size_t i = 0; i <= wanted; ++i) std::getline(cells, cell, ',');
    return cell;
  };
  std::size_t at = 0;
  while (column(header, at) != "kappa") ASSERT_LT(++at, 200u);
  EXPECT_DOUBLE_EQ(std::stod(column(row, at)), kappa[0]["kappa"].get<double>());
}

TEST_F(Analyze, EqualDocumentsAreAWarningInTheRecord) {
  const std::string tale = slurp(repo_path("texts/tales") / names_in(repo_path("texts/tales")).front());
  for (const char* name : {"a.txt", "c.txt"}) write_text(other("copies") / name, tale);
  write_text(other("copies") / "b.txt", tale + " The end.");
  const Result result = strata(quick_analyze(model(), other("copied"), {"-f", other("copies").string()}));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string warning = "documents with the same text, byte for byte: 2 of 3 (a.txt = c.txt); they are";
  EXPECT_NE(result.err.find("warning: " + warning), std::string::npos) << result.err;
  const auto json = nlohmann::json::parse(slurp(other("copied") / "results.json"));
  ASSERT_EQ(json["warnings"].size(), 2u);  // and that the model has learnt nothing
  EXPECT_EQ(json["warnings"][0].get<std::string>().find(warning), 0u);
  EXPECT_NE(slurp(other("copied") / "report.html").find(warning), std::string::npos);
  const auto once = nlohmann::json::parse(slurp(run() / "results.json"))["warnings"];
  ASSERT_EQ(once.size(), 1u);
  EXPECT_NE(once[0].get<std::string>().find("no better than chance"), std::string::npos) << once;
}

}  // namespace
}  // namespace strata::test
