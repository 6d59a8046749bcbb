// A published checkpoint through the program: SmolLM2-135M-Instruct (GGUF Q4_1).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

class RealModel : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = real_model();
    if (!path) GTEST_SKIP() << kNoRealModel;
    model_ = path->string();
  }
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  std::string model_;
  TemporaryDirectory directory_;
};

TEST_F(RealModel, InspectNamesIt) {
  const Result result = strata({"inspect", model_});
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* says : {"SmolLM2", "pre smollm", "30 (0-based", "134515008 in all", "Q4_1: 210 tensors"})
    EXPECT_NE(result.out.find(says), std::string::npos) << says << '\n' << result.out;
}

TEST_F(RealModel, VerifiesAgainstItself) {
  const std::string text = repo_path("texts/tales/01.txt").string();
  const Result result = strata({"verify", model_, "-f", text, "-c", "128", "--chunks", "2", "--json"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["checks"].size(), 7u);
  for (const auto& check : json["checks"]) EXPECT_EQ(check["passed"], true) << check;
  EXPECT_NE(json["checks"][6]["detail"].get<std::string>().find("below ln(vocabulary) = 10.8027"),
            std::string::npos)
      << json["checks"][6];
}

// The file and the place are named; the texts that need no such byte are read.
TEST_F(RealModel, AByteWithoutATokenIsAnErrorOfItsText) {
  const std::string tale = slurp(repo_path("texts/tales/01.txt"));
  write_text(path("texts") / "a.txt", tale);
  const std::vector<std::string> dump = {"dump",     model_,   "-f",       path("texts").string(),
                                         "-o",       "",       "-c",       "64",
                                         "--what",   "states", "--chunks", "1",
                                         "--layers", "0",      "--quiet"};
  const auto run = [&](const char* output) {
    auto arguments = dump;
    arguments[5] = path(output).string();
    return strata(arguments);
  };
  const Result good = run("good");
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(fs::exists(path("good") / "state-000.npy"));
  write_text(path("texts") / "b.txt", "An end of transmission\x04 in the second file. " + tale);
  const Result bad = run("bad");
  EXPECT_EQ(bad.code, 3);
  EXPECT_EQ(count_lines(bad.err), 1u) << bad.err;
  EXPECT_NE(bad.err.find("b.txt: byte 0x04 at byte 22 (of U+0004)"), std::string::npos) << bad.err;
  EXPECT_FALSE(fs::exists(path("bad")));
}

}  // namespace
}  // namespace strata::test
