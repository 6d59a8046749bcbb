// Help, version, inspect, flags, and that the program loads nothing at run time.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

std::string nano() {
  return repo_path("models/llama-nano").string();
}

TEST(Program, HelpAndVersionGoToStdout) {
  const Result help = strata({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* word : {"analyze", "compare", "inspect", "report", "verify", "Exit codes"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  const Result version = strata({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("strata ", 0), 0u);
  EXPECT_NE(version.out.find("cpu   ready"), std::string::npos);
  EXPECT_NE(version.out.find("\n  cuda  not "), std::string::npos) << "why the rest is not: " << version.out;
  const Result analyze = strata({"analyze", "--help"});
  EXPECT_EQ(analyze.code, 0);
  for (const char* flag :
       {"--model", "--file", "--ctx-size", "--batch-size", "--threads", "--chunks", "--limit", "--positions",
        "--lane-tokens", "--layers", "--signals", "--interventions", "--seed", "--mem-limit", "--dry-run",
        "--quiet", "--output", "Examples:"}) {
    EXPECT_NE(analyze.out.find(flag), std::string::npos) << flag;
  }
  for (const char* command : {"compare", "inspect", "report", "verify"}) {
    const Result one = strata({command, "-h"});
    EXPECT_EQ(one.code, 0);
    EXPECT_NE(one.out.find("strata " + std::string(command)), std::string::npos) << one.out;
  }
}

struct Misuse {
  std::vector<std::string> arguments;
  std::string says;
};

TEST(Program, MisuseIsOneLineAndExitCode2) {
  const std::vector<Misuse> misuses = {
      {{}, "A subcommand is required"},
      {{"frobnicate"}, "no subcommand 'frobnicate'"},
      {{"analyze"}, "--model"},
      {{"inspect"}, "--model"},
      {{"report"}, "RUN"},
      {{"compare"}, "WHAT"},
      {{"compare", nano()}, "OTHER"},
      {{"compare", nano(), "no/such/twin"}, "no/such/twin"},
      {{"verify"}, "--model"},
      {{"verify", "no/such/model"}, "no/such/model"},
      {{"verify", nano(), "--tolerance", "-1"}, "--tolerance"},
      {{"verify", nano(), "--reference", "no/such/reference"}, "no/such/reference"},
      {{"analyze", nano(), "--no-such-flag"}, "--no-such-flag"},
      {{"analyze", nano(), "--threads", "0"}, "--threads"},
      {{"analyze", nano(), "-b", "0"}, "--batch-size"},
      {{"analyze", nano(), "--chunks", "many"}, "--chunks"},
      {{"analyze", nano(), "-m", nano()}, "--model"},
      {{"analyze", "--quiet", "no/such/model"}, "no/such/model"},
      {{"inspect", "no/such/model"}, "no/such/model"},
      {{"report", "no/such/run"}, "no/such/run"},
      {{"analyze", nano(), "--quiet", "-f", "no/such/text"}, "no/such/text"},
      {{"analyze", nano(), "--quiet", "-c", "1"}, "--ctx-size"},
      {{"analyze", nano(), "--quiet", "--pack", "joined"}, "--pack"},
      {{"analyze", nano(), "--quiet", "--ids-dtype", "float16"}, "--ids-dtype"},
      {{"analyze", nano(), "--quiet", "--text-key", "body"}, "--text-key"},
      {{"analyze", nano(), "--quiet", "--layers", "13"}, "--layers"},
      {{"analyze", nano(), "--quiet", "--mem-limit", "lots"}, "--mem-limit"},
      {{"analyze", nano(), "--quiet", "--signals", "vibes"}, "vibes"},

      {{"analyze", nano(), "--dtype", "int8"}, "int8 not in {bfloat16,float32}"},
      {{"analyze", nano(), "--quiet", "--interventions", "hammer"}, "hammer"},
  };
  for (const Misuse& misuse : misuses) {
    const Result result = strata(misuse.arguments);
    SCOPED_TRACE(result.err);
    EXPECT_EQ(result.code, 2) << misuse.says;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(count_lines(result.err), 1u);
    EXPECT_EQ(result.err.rfind("strata: ", 0), 0u);
    EXPECT_NE(result.err.find(misuse.says), std::string::npos);
  }
}

TEST(Inspect, PrintsTheCardAsTextAndAsJson) {
  const Result text = strata({"inspect", "-m", nano()});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "");
  EXPECT_NE(text.out.find("llama (LlamaForCausalLM)"), std::string::npos);
  EXPECT_NE(text.out.find("12 (0-based: 0 to 11)"), std::string::npos);
  const Result result = strata({"inspect", nano(), "--json", "--tensors"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["n_layers"], 12);
  EXPECT_EQ(json["hidden"], 96);
  EXPECT_EQ(json["vocab"], 4096);
  EXPECT_EQ(json["tied_embeddings"], false);
  EXPECT_EQ(json["tensors"].size(), 12u * 9u + 3u);
  // Per block: two norms, q, k, v, o, and three MLP matrices.
  const int d = 96, kv = 48, ffn = 256;
  EXPECT_EQ(json["parameters"]["per_block"], 2 * d + 2 * d * d + 2 * d * kv + 3 * d * ffn);
  EXPECT_EQ(json["parameters"]["total"], 12 * json["parameters"]["per_block"].get<int>() + 2 * 4096 * d + d);
}

TEST(Program, LoadsTheSameLibrariesToComputeAsForItsHelp) {
  const auto libraries = [](const std::vector<std::string>& arguments) {
    const Result result = strata(arguments, {"LD_DEBUG=files"});
    EXPECT_EQ(result.code, 0);
    std::set<std::string> names;
    // "     1234:	file=libm.so.6 [0];  generating link map"
    std::istringstream lines(result.err);
    for (std::string line; std::getline(lines, line);) {
      const auto begin = line.find("file="), end = line.find(" [0];  generating link map");
      if (begin != std::string::npos && end != std::string::npos)
        names.insert(line.substr(begin + 5, end - begin - 5));
    }
    EXPECT_FALSE(names.empty()) << "the loader did not talk";
    return names;
  };
  const auto for_help = libraries({"--help"});
  EXPECT_EQ(libraries({"analyze", nano(), "--dry-run"}), for_help);
  for (const std::string& name : for_help) EXPECT_EQ(name.find("torch"), std::string::npos) << name;
}

TEST(Program, ADeviceThatIsNotThereIsOneLine) {
  for (const std::string command : {"analyze", "verify"}) {
    const Result result = strata({command, nano(), "--device", "npu"});
    EXPECT_EQ(result.code, 3);
    EXPECT_EQ(count_lines(result.err), 1u);
    EXPECT_EQ(result.err.rfind("strata: --device npu: no such backend", 0), 0u) << result.err;
    EXPECT_NE(result.err.find("one of: cpu"), std::string::npos) << result.err;
  }
}

TEST(DryRun, PrintsThePlanAndWritesNothing) {
  TemporaryDirectory directory;
  const auto output = directory.path() / "run";
  // Underscores are as good as dashes; the model may be positional or -m.
  const Result plan = strata({"analyze", nano(), "--dry_run", "--lane_tokens", "512", "--effort", "thorough",
                              "-o", output.string(), "--quiet"});
  EXPECT_EQ(plan.code, 0);
  EXPECT_EQ(plan.err, "");
  EXPECT_NE(plan.out.find("memory at the peak"), std::string::npos);
  EXPECT_NE(plan.out.find("lanes: 180"), std::string::npos)
      << plan.out;  // 13 states x 12, 12 skips, 12 roundings
  EXPECT_FALSE(std::filesystem::exists(output));
  const Result same =
      strata({"analyze", "-m", nano(), "--dry-run", "--lane-tokens=512", "--effort=thorough", "--quiet"});
  EXPECT_EQ(same.code, 0);
  EXPECT_NE(same.out.find("lanes: 180"), std::string::npos);
}

TEST(MemLimit, TooLittleIsRefusedBeforeStarting) {
  TemporaryDirectory directory;
  const auto output = directory.path() / "run";
  const Result result = strata({"analyze", nano(), "--mem-limit", "1M", "-o", output.string(), "--quiet"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  EXPECT_EQ(result.err.rfind("strata: --mem-limit: the run needs", 0), 0u) << result.err;
  EXPECT_NE(result.err.find("--chunks"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(output));
}

}  // namespace
}  // namespace strata::test
