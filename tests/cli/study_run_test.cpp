// Studies that analyze: the nano study in short form, and a pair of models with one function at two scales.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "strata/record/study.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// studies/nano.toml on less text, with fewer surrogates; paths as of the repository.
std::string short_nano() {
  std::string text = slurp(repo_path("studies/nano.toml"));
  const auto replace_all = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  };
  replace_all("\"../", "\"" + repo_path("").string() + "/");
  replace_all("lane_tokens = 1024\nchunks = 96",
              "lane_tokens = 256\nchunks = 32\nctx_size = 160\nsurrogates = 19\nreplicates = 20\n"
              "signals = [\"cka_matrix\", \"angular_step\", \"update_ratio\", \"residual_rms\", "
              "\"sensitivity\", \"sensitivity_absolute\"]");
  return text;
}

// What is said where families have too few models: moot if boundaries are missing too.
Outcome without_selected(const Verdict& v) {
  return v.models_selected < v.models_tested ? Outcome::moot : Outcome::undecided;
}

TEST(StudyRun, TheNanoStudyInShort) {
  const TemporaryDirectory directory;
  write_text(directory.path() / "nano.toml", short_nano());
  const fs::path out = directory.path() / "out";
  const std::vector<std::string> command = {
      "compare", (directory.path() / "nano.toml").string(), "-o", out.string(), "-t", "2", "--quiet"};
  const Result result = strata(command);
  ASSERT_EQ(result.code, 0) << result.err;
  const Study study = read_study(out);
  EXPECT_EQ(study.members.size(), 9u);
  ASSERT_EQ(study.verdicts.size(), 10u);
  for (const Verdict& v : study.verdicts) {
    EXPECT_FALSE(v.reason.empty());
    if (v.set != TestSet::between_model) continue;
    EXPECT_EQ(v.models_tested, v.id == "T4" ? 1 : 3) << v.id;
    EXPECT_EQ(v.outcome, without_selected(v)) << v.id << v.reason;
    EXPECT_GE(v.models_needed, 3) << v.id;
  }
  for (const StudyMember& m : study.members) {
    EXPECT_EQ(m.boundaries.empty(), m.forced) << m.model;
    EXPECT_EQ(m.forced_boundaries.size(), 2u) << m.model;
  }
  const bool moot = std::any_of(study.verdicts.begin(), study.verdicts.end(),
                                [](const Verdict& v) { return v.outcome == Outcome::moot; });
  const std::string page = slurp(out / "report.html");
  EXPECT_EQ(page.find("\"outcome\":\"moot\"") != std::string::npos, moot);
  EXPECT_EQ(names_in(out / "runs").size(), 9u);
  // The records are taken as they are, and give the same bytes.
  const std::string first = slurp(out / "study.json");
  const Result again = strata(command);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(slurp(out / "study.json") == first);
  EXPECT_TRUE(Json::parse(slurp(out / "manifest.json"))["analyzed"].empty());
  // Other settings are not what the records were made with.
  auto other = command;
  other.insert(other.end(), {"--lane-tokens", "128"});
  const Result refused = strata(other);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("a record with lane_tokens 256; expected 128"), std::string::npos)
      << refused.err;
  std::string more = short_nano();
  more.replace(more.find("[analyze]\n"), 10, "[analyze]\ninterventions = [\"zero_ablation\"]\n");
  write_text(directory.path() / "nano.toml", more);
  const Result lacking = strata(command);
  EXPECT_EQ(lacking.code, 2);
  EXPECT_NE(lacking.err.find("a record without zero_ablation"), std::string::npos) << lacking.err;
}

// T10 on texts that are not ours, where they are.
TEST(StudyRun, ThirdPartyTexts) {
  const char* const names[] = {"tinystories-200k.txt", "alice.txt", "sherlock.txt"};
  std::string study =
      "[analyze]\nchunks = 32\nctx_size = 160\nsurrogates = 19\nreplicates = 20\n"
      "signals = ['cka_matrix', 'angular_step']\n";
  for (const char* name : names) {
    const auto text = shared_data(std::string("third-party/texts/") + name);
    if (!text) GTEST_SKIP() << "no third-party/texts/" << name << " (STRATA_SHARED_DATA)";
    study += "[[text]]\npath = '" + text->string() + "'\nboundaries_only = true\n";
  }
  for (const char* model : {"llama-nano", "qwen2-nano", "qwen3-nano"})
    study += "[[model]]\nmodel = '" + repo_path(std::string("models/") + model).string() + "'\n";
  const TemporaryDirectory directory;
  write_text(directory.path() / "s.toml", study);
  const Result result = strata({"compare", (directory.path() / "s.toml").string(), "-o",
                                (directory.path() / "out").string(), "-t", "2", "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Verdict v = read_study(directory.path() / "out").verdicts[9];
  EXPECT_EQ(v.id, "T10");
  EXPECT_EQ(v.models_tested, 9);
  // Decided, or not, on selected boundaries alone.
  EXPECT_EQ(std::isfinite(v.effect), v.outcome != Outcome::moot) << v.reason;
  EXPECT_LT(v.models_selected, v.outcome == Outcome::moot ? 9 : 10);
}

// One tensor of a .safetensors file as float32.
std::vector<float> values_of(const std::string& file, std::size_t data, const Json& tensor) {
  const std::size_t begin = data + tensor["data_offsets"][0].get<std::size_t>();
  const std::size_t end = data + tensor["data_offsets"][1].get<std::size_t>();
  EXPECT_EQ(tensor["dtype"], "BF16");
  std::vector<float> out;
  for (std::size_t at = begin; at < end; at += 2) {
    std::uint32_t bits = 0;
    std::memcpy(reinterpret_cast<char*>(&bits) + 2, file.data() + at, 2);  // the upper half of a float
    float value = 0.0f;
    std::memcpy(&value, &bits, 4);
    out.push_back(value);
  }
  return out;
}

// The model in F32 with its residual stream `factor` times as large and every output the same: embedding,
// o_proj and down_proj times the factor, norm eps times its square. A tied unembedding becomes one of its
// own.
void write_rescaled(const fs::path& from, const fs::path& to, double factor) {
  const std::string file = slurp(from / "model.safetensors");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, file.data(), 8);
  const Json header = Json::parse(file.substr(8, header_size));
  Json config = Json::parse(slurp(from / "config.json")), out = Json::object();
  std::string data;
  const auto add = [&](const std::string& name, const Json& shape, std::vector<float> values, double scale) {
    for (float& x : values) x = static_cast<float>(x * scale);
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
    out[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  };
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__") continue;
    const std::string& name = item.key();
    const bool embedding = name == "model.embed_tokens.weight";
    const bool writes = embedding || name.find("o_proj.weight") != std::string::npos ||
                        name.find("down_proj.weight") != std::string::npos;
    const auto values = values_of(file, 8 + header_size, item.value());
    add(name, item.value()["shape"], values, writes ? factor : 1.0);
    if (embedding && config["tie_word_embeddings"] == true)
      add("lm_head.weight", item.value()["shape"], values, 1.0);
  }
  config["tie_word_embeddings"] = false;
  config["torch_dtype"] = "float32";
  config["rms_norm_eps"] = config["rms_norm_eps"].get<double>() * factor * factor;
  const std::string text = out.dump();
  const std::uint64_t size = text.size();
  write_text(to / "model.safetensors", std::string(reinterpret_cast<const char*>(&size), 8) + text + data);
  write_text(to / "config.json", config.dump());
  fs::copy(from / "tokenizer.json", to / "tokenizer.json");
}

class OneFunctionTwoScales : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const fs::path from = repo_path(std::string("models/") + GetParam());
    write_rescaled(from, path("plain"), 1.0);
    write_rescaled(from, path("exact"), 32.0);
    write_rescaled(from, path("paper"), 22.2);
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] Study study_of(const std::string& other) const {
    write_text(path(other + ".toml"),
               "stable_family = 'plain'\nvariable_family = 'rescaled'\n"
               "[analyze]\nlane_tokens = 512\nchunks = 32\nctx_size = 160\nsurrogates = 19\nreplicates = 20\n"
               "signals = ['cka_matrix', 'residual_rms', 'sensitivity', 'sensitivity_absolute']\n"
               "interventions = ['block_skip']\n"
               "[[model]]\nmodel = 'plain'\nfamily = 'plain'\n[[model]]\nmodel = '" +
                   other + "'\nfamily = 'rescaled'\n");
    const Result result = strata({"compare", path(other + ".toml").string(), "-o",
                                  path("study-" + other).string(), "-t", "2", "--quiet"});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_study(path("study-" + other));
  }
  TemporaryDirectory directory_;
};

TEST_P(OneFunctionTwoScales, APowerOfTwoIsExactAndReadsScaleArtefact) {
  const Result twins = strata({"compare", path("plain").string(), path("exact").string(), "-o",
                               path("twins").string(), "--chunks", "4", "--lane-tokens", "64", "--quiet"});
  ASSERT_EQ(twins.code, 0) << twins.err;
  EXPECT_EQ(Json::parse(slurp(path("twins") / "divergence.json"))["differing_logits"], 0);
  const Study study = study_of("exact");
  ASSERT_FALSE(study.gaps.empty());
  EXPECT_EQ(study.gaps.back().segment, "all blocks");  // whatever the tests select
  for (const SegmentGap& gap : study.gaps) {
    EXPECT_NEAR(gap.ln_kappa, 0.0, 1e-6) << gap.segment;
    EXPECT_NEAR(std::exp(-gap.ln_absolute), 1024.0, 1e-2) << gap.segment;
    EXPECT_EQ(gap.reading, "scale artefact");
  }
  const Verdict& v = study.verdicts[5];
  EXPECT_EQ(v.id, "T6");
  EXPECT_EQ(v.outcome, without_selected(v));  // two models decide nothing about families
  EXPECT_EQ(v.tag, "scale artefact");
  EXPECT_NE(v.reason.find("scale artefact"), std::string::npos) << v.reason;
}

TEST_P(OneFunctionTwoScales, ThePapersFactorOutOfScaleAlone) {
  const Study study = study_of("paper");
  ASSERT_FALSE(study.gaps.empty());
  for (const SegmentGap& gap : study.gaps) {
    EXPECT_NEAR(gap.ln_kappa, 0.0, 0.005) << gap.segment;
    EXPECT_NEAR(std::exp(-gap.ln_absolute), 493.0, 4.93) << gap.segment;
    EXPECT_EQ(gap.reading, "scale artefact") << gap.segment;
  }
  EXPECT_EQ(study.verdicts[5].tag, "scale artefact");
}

// Untied, and tied with an explicit unembedding.
INSTANTIATE_TEST_SUITE_P(Models, OneFunctionTwoScales, ::testing::Values("llama-nano", "qwen2-nano"),
                         [](const auto& row) { return std::string(row.param).substr(0, 5); });

}  // namespace
}  // namespace strata::test
