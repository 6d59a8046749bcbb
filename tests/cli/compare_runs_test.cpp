// strata compare of run directories and study files, as a user runs it; without LibTorch.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/record/run_directory.h"
#include "strata/record/study.h"
#include "tests/cli/program.h"
#include "tests/support/synthetic_run.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

class CompareRuns : public ::testing::Test {
 protected:
  // Two invented models of 16 and 20 blocks, one of each family.
  void SetUp() override {
    for (const int layers : {16, 20}) {
      strata::Run run = synthetic_run(layers);
      run.trace.model.family = layers == 16 ? "llama" : "qwen3";
      run.trace.run.seed = 0;
      write_run(path("run-" + std::to_string(layers)), run);
    }
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] Result compare(std::vector<std::string> what,
                               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"compare"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return strata(arguments);
  }
  TemporaryDirectory directory_;
};

TEST_F(CompareRuns, TenVerdictsWithReasons) {
  const std::string a = path("run-16").string(), b = path("run-20").string();
  const Result result = compare({a, b}, {"-o", path("out").string(), "-t", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  for (int i = 1; i <= 10; ++i)
    EXPECT_NE(result.err.find("  T" + std::to_string(i) + " "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("models of each family are needed"), std::string::npos) << result.err;
  EXPECT_EQ(names_in(path("out")), (std::vector<std::string>{"families.csv", "manifest.json", "report.html",
                                                             "study.json", "verdicts.csv"}));
  const Study study = read_study(path("out"));
  ASSERT_EQ(study.members.size(), 2u);
  EXPECT_EQ(study.members[1].family, "qwen");
  EXPECT_EQ(study.members[1].text, "tales");
  EXPECT_EQ(study.verdicts.size(), 10u);
  EXPECT_EQ(slurp(path("out") / "study.json").find(path("").string()), std::string::npos);  // no paths
  const auto manifest = nlohmann::json::parse(slurp(path("out") / "manifest.json"));
  EXPECT_EQ(manifest["runs"].size(), 2u);
  EXPECT_TRUE(manifest["analyzed"].empty());

  // The same bytes again, on stdout too, over the earlier study and with another number of threads.
  const std::string first = slurp(path("out") / "study.json");
  const Result again = compare({a, b}, {"-o", path("out").string(), "-t", "1", "--json", "--quiet"});
  EXPECT_EQ(again.code, 0);
  EXPECT_TRUE(again.out == first);
  EXPECT_TRUE(slurp(path("out") / "study.json") == first);
}

// Rounding moves kappa: it must not pass for a difference between models.
TEST_F(CompareRuns, RefusesTwoComputeModes) {
  strata::Run run = synthetic_run(20);
  run.trace.run.compute_dtype = "bfloat16";
  write_run(path("rounded"), run);
  const Result result =
      compare({path("run-16").string(), path("rounded").string()}, {"-o", path("out").string()});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("rounded: a record computed in bfloat16; expected float32"), std::string::npos)
      << result.err;
  EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(CompareRuns, AStudyFileOfRuns) {
  write_text(path("s.toml"),
             "title = 'Invented'\nvariable_family = 'other'\n"
             "[[model]]\nrun = 'run-16'\nname = 'a'\nfamily = 'llama'\n"
             "[[model]]\nrun = 'run-20'\nname = 'b'\nfamily = 'other'\n"
             "[[expected]]\nquantity = 'local_brittleness_ratio'\nvalue = 493\nsource = 'a paper'\n");
  const Result dry = compare({path("s.toml").string()}, {"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("record   a on tales"), std::string::npos) << dry.out;
  const Result result = compare({path("s.toml").string()}, {"-o", path("out").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("Invented"), std::string::npos);
  EXPECT_NE(result.err.find("paper 493"), std::string::npos) << result.err;
  const Study study = read_study(path("out"));
  EXPECT_EQ(study.study.name, "s");
  EXPECT_EQ(study.study.variable_family, "other");
  EXPECT_EQ(study.members[0].model, "a");
}

TEST_F(CompareRuns, MisuseIsOneLineAndExitCode2) {
  write_text(path("s.toml"), "[[model]]\nmodel = 'no/such-model'\n[[model]]\nrun = 'absent'\n");
  write_text(path("bad.toml"), "[[model]]\nmodel = 'a/b'\nvibes = 1\n");
  write_text(path("full") / "precious.txt", "x");
  const std::string run = path("run-16").string(), other = path("run-20").string(),
                    study = path("s.toml").string();
  struct Case {
    std::vector<std::string> what, more;
    int code;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{run, "models/llama-nano"}, {}, 2, "run directories beside something else"},
      {{"a", "b", "c"}, {}, 2, "3 things that are no run directories"},
      {{"alone"}, {}, 2, "OTHER is missing"},
      {{run, run}, {}, 2, "two runs on the text"},
      {{run, other}, {"--threshold", "0.1"}, 2, "--threshold"},
      {{run, other}, {"-f", "x"}, 2, "--file"},
      {{run, other}, {"--skip-missing"}, 2, "--skip-missing"},
      {{run, other}, {"-o", path("full").string()}, 2, "not an earlier study"},
      {{study}, {}, 2, "not on this machine: no/such-model, "},
      {{study}, {"--skip-missing"}, 2, "not on this machine"},
      {{path("bad.toml").string()}, {}, 3, "vibes: no such key"},
      {{path("absent.toml").string()}, {}, 2, "absent.toml"},
  };
  for (const Case& c : cases) {
    const Result result = compare(c.what, c.more);
    EXPECT_EQ(result.code, c.code) << c.says << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find(c.says), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace strata::test
