// strata dump as a user runs it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "strata/base/npy.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

class Dump : public testing::Test {
 protected:
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  static std::string nano() { return repo_path("models/llama-nano").string(); }
  static std::string ids() { return repo_path("tests/golden/llama-nano/ids.npy").string(); }

  Result dump(const std::string& output, const std::vector<std::string>& more = {},
              const std::string& model = nano(), const std::string& text = ids()) const {
    std::vector<std::string> arguments = {"dump", model, "-f", text, "-o", path(output).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return strata(arguments);
  }
  [[nodiscard]] nlohmann::json index(const std::string& output) const {
    return nlohmann::json::parse(slurp(path(output) / "index.json"));
  }
  [[nodiscard]] std::vector<float> state(const std::string& output, int i) const {
    return std::get<std::vector<float>>(read_npy(path(output) / fmt::format("state-{:03}.npy", i)).data);
  }
  // Every file of `a` is in `b` with the same bytes, and the other way round.
  void expect_same(const std::string& a, const std::string& b) const {
    ASSERT_EQ(names_in(path(a)), names_in(path(b)));
    for (const std::string& name : names_in(path(a)))
      EXPECT_TRUE(slurp(path(a) / name) == slurp(path(b) / name)) << name;
  }
  TemporaryDirectory directory_;
};

// Another engine's states: tests/golden says which.
TEST_F(Dump, StatesAreThoseOfAnIndependentEngine) {
  const Result result = dump("out");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const NpyArray golden = read_npy(repo_path("tests/golden/llama-nano/block_outputs.npy"));
  const auto& reference = std::get<std::vector<float>>(golden.data);
  const std::size_t each = golden.shape[1] * golden.shape[2];
  for (std::size_t block = 0; block < golden.shape[0]; ++block) {
    const auto ours = state("out", static_cast<int>(block) + 1);
    ASSERT_EQ(ours.size(), each);
    double largest = 0.0, square = 0.0;
    for (std::size_t i = 0; i < each; ++i) {
      const double r = reference[block * each + i];
      largest = std::max(largest, std::fabs(ours[i] - r));
      square += r * r;
    }
    EXPECT_LT(largest, 1e-5 * std::sqrt(square / static_cast<double>(each))) << block;
  }
  const auto tokens = std::get<std::vector<std::int32_t>>(read_npy(path("out") / "tokens.npy").data);
  const auto given = read_npy(ids()).as_double();
  ASSERT_EQ(tokens.size(), 4 * given.size());
  for (std::size_t t = 0; t < given.size(); ++t) EXPECT_EQ(tokens[4 * t + 3], given[t]);
  const nlohmann::json json = index("out");
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["arrays"].size(), 14u);  // tokens and states 0..12
  for (const nlohmann::json& array : json["arrays"])
    EXPECT_EQ(array["sha256"].get<std::string>().size(), 64u);
}

TEST_F(Dump, WeightsOfNothingAreAWarning) {
  TinyCheckpoint tiny = tiny_with_tokenizer();
  tiny.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    for (StoredTensor& tensor : tensors) {
      if (tensor.name.ends_with("1.mlp.up_proj.weight")) tensor.bytes.assign(tensor.bytes.size(), '\0');
    }
  };
  write_model(path("zero"), tiny);
  const Result result = dump("out", {"--quiet"}, path("zero").string());
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err.rfind("warning: weights: 1 of ", 0), 0u) << result.err;
  EXPECT_EQ(dump("sound", {"--quiet"}).err, "");
}

TEST_F(Dump, ThreadsAndLayersChangeNoByte) {
  ASSERT_EQ(dump("all").code, 0);
  ASSERT_EQ(dump("some", {"--layers", "2,5-6", "-t", "1", "--what", "states,attention"}).code, 0);
  for (const int i : {2, 5, 6}) {
    const std::string name = fmt::format("state-{:03}.npy", i);
    EXPECT_TRUE(slurp(path("all") / name) == slurp(path("some") / name)) << i;
    EXPECT_TRUE(fs::exists(path("some") / fmt::format("attention-{:03}.npy", i)));
  }
  EXPECT_EQ(names_in(path("some")).size(), 8u);
}

TEST_F(Dump, SampledAndPooledRowsAreThoseOfTheWhole) {
  ASSERT_EQ(dump("all").code, 0);
  ASSERT_EQ(dump("sample", {"--positions", "20", "--layers", "4"}).code, 0);
  ASSERT_EQ(dump("mean", {"--pool", "mean-without-first", "--layers", "4"}).code, 0);
  const auto whole = state("all", 4), sample = state("sample", 4);
  const auto tokens = std::get<std::vector<std::int32_t>>(read_npy(path("sample") / "tokens.npy").data);
  const std::size_t width = 96;
  ASSERT_EQ(sample.size(), 20 * width);
  for (std::size_t r = 0; r < 20; ++r) {
    const auto position = static_cast<std::size_t>(tokens[4 * r + 2]);
    EXPECT_TRUE(std::equal(sample.begin() + static_cast<std::ptrdiff_t>(r * width),
                           sample.begin() + static_cast<std::ptrdiff_t>((r + 1) * width),
                           whole.begin() + static_cast<std::ptrdiff_t>(position * width)));
  }
  const NpyArray mean = read_npy(path("mean") / "state-004.npy");
  ASSERT_EQ(mean.shape, (std::vector<std::size_t>{1, width}));
  for (const std::size_t i : {0u, 50u, 95u}) {
    double sum = 0.0;
    for (std::size_t t = 1; t < whole.size() / width; ++t) sum += whole[t * width + i];
    EXPECT_NEAR(mean.as_double()[i], sum / static_cast<double>(whole.size() / width - 1), 1e-12);
  }
  EXPECT_FALSE(fs::exists(path("mean") / "tokens.npy"));
}

// Mean over queries from 64 on is the signal of the record; `signals` brings that record itself.
TEST_F(Dump, AttentionAndSignalsAgree) {
  ASSERT_EQ(dump("out", {"--what", "attention,signals", "--signals", "attention_distance,attention_entropy",
                         "--layers", "0-11"})
                .code,
            0);
  for (const std::size_t column : {0u, 1u}) {
    const auto signal = read_npy(path("out") / (column == 0 ? "signal-attention_distance-all.npy"
                                                            : "signal-attention_entropy-all.npy"));
    ASSERT_EQ(signal.shape, (std::vector<std::size_t>{1, 12}));
    for (const int block : {0, 7, 11}) {
      const auto rows = read_npy(path("out") / fmt::format("attention-{:03}.npy", block)).as_double();
      double sum = 0.0;
      for (std::size_t t = 64; t < rows.size() / 4; ++t) sum += rows[4 * t + column];
      EXPECT_NEAR(sum / static_cast<double>(rows.size() / 4 - 64),
                  signal.as_double()[static_cast<std::size_t>(block)],
                  1e-7);  // the signal keeps float32 per query
    }
    EXPECT_TRUE(std::isnan(read_npy(path("out") / "attention-000.npy").as_double()[column]));  // one key
  }
}

TEST_F(Dump, ResumeKeepsWhatIsWholeAndMakesTheRestAgain) {
  ASSERT_EQ(dump("whole", {"--what", "states,attention"}).code, 0);
  fs::copy(path("whole"), path("damaged"));
  fs::remove(path("damaged") / "state-012.npy");
  fs::resize_file(path("damaged") / "state-006.npy", 5000);
  std::string bytes = slurp(path("damaged") / "attention-004.npy");
  bytes[bytes.size() - 9] = static_cast<char>(bytes[bytes.size() - 9] ^ 4);
  write_text(path("damaged") / "attention-004.npy", bytes);
  const auto before = fs::last_write_time(path("damaged") / "state-003.npy");
  const Result result = dump("damaged", {"--resume", "--what", "states,attention"});
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* name : {"state-006.npy", "state-012.npy", "attention-004.npy"})
    EXPECT_NE(result.err.find(name), std::string::npos) << result.err;
  EXPECT_EQ(fs::last_write_time(path("damaged") / "state-003.npy"), before);
  expect_same("whole", "damaged");
  // Whole already: nothing is computed; other layers join; what is there stays listed.
  EXPECT_EQ(dump("damaged", {"--resume", "--what", "states,attention"}).code, 0);
  expect_same("whole", "damaged");
  ASSERT_EQ(dump("parts", {"--layers", "0-3"}).code, 0);
  ASSERT_EQ(dump("parts", {"--layers", "9", "--resume"}).code, 0);
  EXPECT_EQ(index("parts")["arrays"].size(), 6u);
  EXPECT_TRUE(state("parts", 9) == state("whole", 9));
}

TEST_F(Dump, AnInterruptedDumpGoesOn) {
  write_model(path("model"), {.layers = 60,
                              .hidden = 64,
                              .ffn = 128,
                              .heads = 4,
                              .kv_heads = 4,
                              .head_dim = 16,
                              .vocab = 4096,
                              .context = 512});
  const auto run = [&](const std::string& output, const std::vector<std::string>& more = {}) {
    return dump(output, more, path("model").string());
  };
  Child child({"dump", path("model").string(), "-f", ids(), "-o", path("stopped").string(), "-t", "1"});
  ASSERT_TRUE(child.wait_for("states: 0/60"));
  child.send(SIGTERM);
  const Result stopped = child.wait();
  if (stopped.code == 0) GTEST_SKIP() << "it was done before the signal came";
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_NE(stopped.err.find("--resume goes on"), std::string::npos) << stopped.err;
  EXPECT_EQ(index("stopped")["complete"], false);
  for (const std::string& name : names_in(path("stopped")))
    EXPECT_TRUE(name.ends_with(".npy") || name == "index.json") << name;  // no .part, no temporary file
  ASSERT_EQ(run("stopped", {"--resume"}).code, 0);
  ASSERT_EQ(run("at-once").code, 0);
  expect_same("at-once", "stopped");
}

TEST_F(Dump, SafetensorsHoldTheSameValues) {
  ASSERT_EQ(dump("npy", {"--layers", "1"}).code, 0);
  ASSERT_EQ(dump("st", {"--layers", "1", "--format", "safetensors"}).code, 0);
  const std::string a = slurp(path("npy") / "state-001.npy"), b = slurp(path("st") / "state-001.safetensors");
  const std::size_t values = state("npy", 1).size() * sizeof(float);
  EXPECT_TRUE(a.substr(a.size() - values) == b.substr(b.size() - values));
}

TEST_F(Dump, DryRunWritesNothing) {
  const Result result = dump("out", {"--dry-run", "--layers", "3"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("state-003.npy"), std::string::npos) << result.out;
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(Dump, MisuseIsOneLine) {
  ASSERT_EQ(dump("there", {"--layers", "1"}).code, 0);
  fs::create_directory(path("foreign"));
  write_text(path("foreign") / "notes.txt", "mine");
  fs::copy(path("there"), path("broken"));
  write_text(path("broken") / "index.json", "{\"schema_version\": 1}");
  struct Case {
    std::string output;
    std::vector<std::string> more;
    int code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"there", {"--layers", "1"}, 2, "--resume"},
      {"there", {"--resume", "--positions", "50"}, 2, "positions"},
      {"there", {"--resume", "--format", "safetensors"}, 2, "format"},
      {"foreign", {}, 2, "not a dump"},
      {"foreign", {"--resume"}, 2, "not a dump"},
      {"broken", {"--resume"}, 2, "index.json"},
      {"new", {"--layers", "13"}, 2, "--layers"},
      {"new", {"--what", "gradients"}, 2, "gradients"},
      {"new", {"--signals", "cka_shift"}, 2, "--what signals"},
      {"new", {"--what", "signals", "--signals", "sensitivity"}, 2, "sensitivity"},
      {"new", {"--what", "attention", "--pool", "mean"}, 2, "--pool"},
      {"new", {"--pool", "max"}, 2, "--pool"},
      {"new", {"--mem-limit", "1M"}, 4, "--mem-limit"}};
  for (const Case& c : cases) {
    const Result result = dump(c.output, c.more);
    EXPECT_EQ(result.code, c.code) << c.says << result.err;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find(c.says), std::string::npos) << result.err;
  }
  EXPECT_FALSE(fs::exists(path("new")));
  EXPECT_EQ(slurp(path("foreign") / "notes.txt"), "mine");
}

}  // namespace
}  // namespace strata::test
