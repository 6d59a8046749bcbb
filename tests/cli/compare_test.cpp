// strata compare end to end: files, table, the same bytes again, refusals.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

class Compare : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    write_model(path("original"), tiny_with_tokenizer());
    TinyCheckpoint twin = tiny_with_tokenizer();
    twin.dtype = DType::bf16;  // rounded: every part differs a little
    write_model(path("rounded"), twin);
  }
  static void TearDownTestSuite() { delete directory_; }
  static fs::path path(const std::string& name) { return directory_->path() / name; }
  static Result compare(const std::string& a, const std::string& b, const std::string& out,
                        std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"compare", path(a).string(),   path(b).string(),
                                          "-o",      path(out).string(), "--chunks",
                                          "8",       "--lane-tokens",    "256"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return strata(arguments);
  }

 private:
  static inline TemporaryDirectory* directory_ = nullptr;
};

TEST_F(Compare, WritesItsFilesAndSaysWhereDamageBegins) {
  const Result result = compare("original", "rounded", "out");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(names_in(path("out")),
            (std::vector<std::string>{"divergence.csv", "divergence.json", "manifest.json", "report.html"}));
  for (const char* words :
       {"rounded against original", "KL(original || other)", "block 2", "embedding", "head"})
    EXPECT_NE(result.err.find(words), std::string::npos) << words;
  const std::string text = slurp(path("out") / "divergence.json");
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["other"]["weight_dtype"], "BF16");
  EXPECT_EQ(json["findings"]["first_difference"], 0);
  EXPECT_EQ(json["findings"]["identical"], false);
  EXPECT_GT(json["findings"]["kl_nats"]["mean"], 0.0);
  for (const char* word : {"seconds", "threads", "batch_size", "NaN"})
    EXPECT_EQ(text.find(word), std::string::npos) << word;
  EXPECT_EQ(text.find(path("").string()), std::string::npos);
  const auto manifest = nlohmann::json::parse(slurp(path("out") / "manifest.json"));
  EXPECT_EQ(manifest["digests"]["other_sha256"], json["other"]["checkpoint_sha256"]);
  for (const char* phase : {"weights", "joint sweep", "substitution"})
    EXPECT_GE(manifest["seconds"].at(phase), 0.0) << phase;
  EXPECT_GT(json["weight_correlation"], 0.99);
  EXPECT_EQ(json["other"]["checkpoint_sha256"].get<std::string>().size(), 64u);

  // Other threads and batches, over the first run: the same bytes, and --json prints them.
  const std::string csv = slurp(path("out") / "divergence.csv");
  const Result again = compare("original", "rounded", "out", {"-t", "1", "-b", "1", "--json", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(count_lines(again.err), 1u) << again.err;  // that a random model has learnt nothing
  EXPECT_TRUE(again.out == text);
  EXPECT_TRUE(slurp(path("out") / "divergence.json") == text);
  EXPECT_TRUE(slurp(path("out") / "divergence.csv") == csv);
}

TEST_F(Compare, IdenticalModelsHaveNoDifference) {
  const Result result = compare("original", "original", "same");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("There is no difference"), std::string::npos) << result.err;
}

TEST_F(Compare, RefusesWhatItCannotCompare) {
  TinyCheckpoint deeper = tiny_with_tokenizer();
  deeper.layers = 4;
  write_model(path("deeper"), deeper);
  TinyCheckpoint stranger = tiny_with_tokenizer();
  stranger.seed = 77;
  write_model(path("stranger"), stranger);
  write_text(path("run") / "results.json", "{}");
  write_text(path("full") / "precious.txt", "x");
  struct Case {
    Result result;
    int code;
    const char* says;
  };
  const std::vector<Case> cases = {
      {compare("original", "deeper", "no"), 2, "blocks 3 against 4"},
      {compare("original", "stranger", "no"), 2, "weights of two models: their median correlation"},
      {compare("run", "original", "no"), 2, "run directories beside something else"},
      {compare("original", "run", "no"), 2, "run directories beside something else"},
      {compare("original", "absent", "no"), 2, "absent"},
      {compare("original", "rounded", "full"), 2, "not an earlier comparison"},
      {compare("original", "rounded", "no", {"--mem-limit", "1M"}), 4, "--mem-limit"},
      {compare("original", "rounded", "no", {"--threshold", "-1"}), 2, "--threshold"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(c.result.code, c.code) << c.says;
    EXPECT_EQ(c.result.out, "");
    EXPECT_NE(c.result.err.find(c.says), std::string::npos) << c.result.err;
  }
  EXPECT_FALSE(fs::exists(path("no")));
}

}  // namespace
}  // namespace strata::test
