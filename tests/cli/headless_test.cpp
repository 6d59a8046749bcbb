// strata analyze on base models, which have no head: what needs logits is undefined with a reason, and the
// embedding's distance stands where KL stood.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "strata/base/npy.h"
#include "strata/base/philox.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDocuments = 16, kTokens = 72, kWidth = 16;
constexpr int kLayers = 12;
constexpr double kEps = 1e-5;
constexpr const char* kReason = "not defined without a head: a base model predicts no tokens";

enum class Pool { last, mean, first };

TinyCheckpoint headless() {
  TinyCheckpoint tiny;
  tiny.layers = kLayers;
  tiny.edit_config = [](nlohmann::json& config) { config["architectures"] = {"LlamaModel"}; };
  tiny.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    std::erase_if(tensors, [](const StoredTensor& tensor) { return tensor.name == "lm_head.weight"; });
  };
  return tiny;
}

// The same with one block that adds nothing to the stream.
TinyCheckpoint without_block(int block) {
  TinyCheckpoint tiny = headless();
  const auto cut = tiny.edit_tensors;
  tiny.edit_tensors = [=](std::vector<StoredTensor>& tensors) {
    cut(tensors);
    for (StoredTensor& tensor : tensors) {
      for (const char* part : {"self_attn.o_proj.weight", "mlp.down_proj.weight"}) {
        if (tensor.name == fmt::format("model.layers.{}.{}", block, part))
          tensor.bytes.assign(tensor.bytes.size(), '\0');
      }
    }
  };
  return tiny;
}

class Headless : public testing::Test {
 protected:
  Headless() {
    write_checkpoint(path("model"), headless());
    NpyArray ids{.shape = {kDocuments, kTokens}, .data = std::vector<std::int32_t>()};
    Philox rng({.seed = 3, .stream = Stream::test});
    for (std::size_t i = 0; i < kDocuments * kTokens; ++i)
      std::get<std::vector<std::int32_t>>(ids.data).push_back(static_cast<std::int32_t>(rng.below(40)));
    std::ofstream(path("ids.npy"), std::ios::binary) << format_npy(ids);
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }

  void put_pooling(const std::string& text) const {
    fs::create_directories(path("model") / "1_Pooling");
    std::ofstream(path("model") / "1_Pooling/config.json") << text;
  }
  [[nodiscard]] Result run(const std::string& output, const std::vector<std::string>& more = {},
                           const std::string& model = "model") const {
    std::vector<std::string> arguments = {"-f", path("ids.npy").string(), "--lane-tokens",
                                          std::to_string(kDocuments * kTokens), "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return strata(quick_analyze(path(model), path(output), arguments));
  }
  [[nodiscard]] nlohmann::json results(const std::string& output) const {
    return nlohmann::json::parse(slurp(path(output) / "results.json"));
  }

  // State `state` of the text in a model, by strata dump: (documents * tokens, width).
  [[nodiscard]] std::vector<float> dumped(const TinyCheckpoint& tiny, const std::string& name,
                                          int state) const {
    write_checkpoint(path(name), tiny);
    const Result result = strata({"dump", path(name).string(), "-f", path("ids.npy").string(), "--quiet",
                                  "-o", path(name + "-dump").string()});
    EXPECT_EQ(result.code, 0) << result.err;
    const fs::path file = path(name + "-dump") / fmt::format("state-{:03}.npy", state);
    return std::get<std::vector<float>>(read_npy(file).data);
  }
  [[nodiscard]] static std::vector<float> final_norm() {
    for (const StoredTensor& tensor : tiny_tensors(headless())) {
      if (tensor.name != "model.norm.weight") continue;
      std::vector<float> values(kWidth);
      std::memcpy(values.data(), tensor.bytes.data(), kWidth * sizeof(float));
      return values;
    }
    throw std::logic_error("no final norm");
  }
  TemporaryDirectory directory_;
};

// Of one document, from its states (tokens, width).
std::vector<double> embedding(const float* states, Pool pool, const std::vector<float>& norm) {
  std::vector<double> sum(kWidth, 0.0);
  for (std::size_t t = 0; t < kTokens; ++t) {
    if ((pool == Pool::last && t + 1 < kTokens) || (pool == Pool::first && t > 0)) continue;
    double mean_square = kEps;
    for (std::size_t i = 0; i < kWidth; ++i)
      mean_square += static_cast<double>(states[t * kWidth + i]) * states[t * kWidth + i] / kWidth;
    for (std::size_t i = 0; i < kWidth; ++i)
      sum[i] += states[t * kWidth + i] / std::sqrt(mean_square) * norm[i];
  }
  return sum;
}

double one_minus_cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return 1.0 - ab / std::sqrt(aa * bb);
}

const nlohmann::json& curve_of(const nlohmann::json& results, const std::string& intervention, int place) {
  for (const nlohmann::json& curve : results["curves"]) {
    if (curve["intervention"] == intervention && curve["place"] == place) return curve;
  }
  throw std::logic_error("no curve");
}

bool holds_null(const nlohmann::json& value) {
  if (value.is_null()) return true;
  return value.is_structured() && std::any_of(value.begin(), value.end(), holds_null);
}

// What an object says about its own undefined members.
bool explained(const nlohmann::json& object) {
  return object.contains("note") && object["note"].is_string() && !object["note"].empty() &&
         object["note"] != "";
}

TEST_F(Headless, RunsWholeAndEveryNullHasItsReason) {
  const Result result = run("out", {"--null-models", "1", "--shuffled-text", "auto", "--effort", "thorough"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("a base model without an output head"), std::string::npos) << result.err;
  for (const char* file : {"report.html", "states.csv", "blocks.csv", "edges.csv", "brittleness.csv"})
    EXPECT_TRUE(fs::exists(path("out") / file)) << file;
  const nlohmann::json record = results("out");
  EXPECT_EQ(record["model"]["no_head"], kReason);
  EXPECT_EQ(record["model"]["pooling"], "last token (strata's default)");
  std::set<std::string> undefined;
  for (const nlohmann::json& series : record["series"]) {
    if (series["note"] != kReason) continue;
    undefined.insert(series["id"].get<std::string>());
    for (const nlohmann::json& row : series["by_doc"])
      EXPECT_TRUE(std::all_of(row.begin(), row.end(), [](const nlohmann::json& x) { return x.is_null(); }));
  }
  EXPECT_EQ(undefined, (std::set<std::string>{"lens_entropy", "lens_kl", "lens_information", "sensitivity",
                                              "sensitivity_absolute"}));
  for (const nlohmann::json& curve : record["curves"]) {
    EXPECT_EQ(curve["note"], kReason);
    EXPECT_FALSE(holds_null(curve["embedding_distance"])) << curve["intervention"];
    for (const char* key : {"kl_nats", "delta_nll_nats", "top1_agreement"}) {
      ASSERT_EQ(curve[key].size(), kDocuments);
      for (const nlohmann::json& row : curve[key])
        EXPECT_TRUE(std::all_of(row.begin(), row.end(), [](const nlohmann::json& x) { return x.is_null(); }))
            << key;
    }
  }
  const nlohmann::json& findings = record["findings"];
  for (const char* list : {"kappa", "splits", "doses", "brittleness"}) {
    EXPECT_FALSE(findings[list].empty()) << list;
    for (const nlohmann::json& item : findings[list]) EXPECT_EQ(item["note"], kReason) << list;
  }
  for (const char* list : {"rate_distortion", "segment_rate_distortion"}) {
    for (const nlohmann::json& item : findings[list]) {
      EXPECT_EQ(item["curve"]["note"], kReason) << list;
      for (const nlohmann::json& point : item["curve"]["points"]) {
        EXPECT_TRUE(point["distortion_nats"].is_null());
        EXPECT_GT(point["rate_nats"], 0.0);  // it needs the spectrum alone
      }
    }
  }
  ASSERT_EQ(findings["embedding"].size(), static_cast<std::size_t>(kLayers + 1));
  for (const nlohmann::json& state : findings["embedding"]) {
    EXPECT_TRUE(state["sensitivity"] > 0.0 || explained(state)) << state.dump();
    EXPECT_GT(state["backward"], 0.0);
    // Two estimators that share the windows alone.
    if (!state["difference_z"].is_number()) continue;
    EXPECT_LT(std::fabs(state["difference_z"].get<double>()), 4.5);
  }
  for (const nlohmann::json& document : record["documents"]) EXPECT_TRUE(document["nll_nats"].is_null());
}

// The distance of block_skip from states that strata dump writes of a model whose block adds nothing, for
// each pooling.
TEST_F(Headless, LaneDistancesAreThoseOfDumpedStates) {
  const std::vector<float> norm = final_norm();
  const std::vector<float> clean = dumped(headless(), "clean", kLayers);
  std::vector<std::vector<float>> skipped;
  for (int block = 0; block < kLayers; ++block)
    skipped.push_back(dumped(without_block(block), fmt::format("without-{}", block), kLayers));
  const std::pair<Pool, const char*> poolings[] = {
      {Pool::last, ""},
      {Pool::mean, R"({"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": false})"},
      {Pool::first, R"({"pooling_mode": "cls"})"}};
  for (const auto& [pool, file] : poolings) {
    if (*file != '\0') put_pooling(file);
    const std::string output = fmt::format("out-{}", static_cast<int>(pool));
    const Result result =
        run(output, {"--interventions", "block_skip", "--signals", "residual_rms,angular_step"});
    ASSERT_EQ(result.code, 0) << result.err;
    const nlohmann::json record = results(output);
    double largest = 0.0;
    for (int block = 0; block < kLayers; ++block) {
      const nlohmann::json& distance = curve_of(record, "block_skip", block)["embedding_distance"];
      for (std::size_t d = 0; d < kDocuments; ++d) {
        const std::size_t first = d * kTokens * kWidth;
        const double expected =
            one_minus_cosine(embedding(clean.data() + first, pool, norm),
                             embedding(skipped[static_cast<std::size_t>(block)].data() + first, pool, norm));
        EXPECT_NEAR(distance[d][0], expected, 1e-6) << block;
        largest = std::max(largest, expected);
      }
    }
    EXPECT_GT(largest, 0.01);
  }
}

// Noise at the last state moves the last token alone, so the sensitivity is rms^2 |du/dh|^2 of its own map.
TEST_F(Headless, SensitivityOfTheLastStateIsItsJacobian) {
  const std::vector<float> norm = final_norm(), clean = dumped(headless(), "clean", kLayers);
  const Result result = run("out", {"--interventions", "none", "--label-samples", "64"});
  ASSERT_EQ(result.code, 0) << result.err;
  double expected = 0.0;
  for (std::size_t d = 0; d < kDocuments; ++d) {
    std::vector<float> states(clean.begin() + static_cast<std::ptrdiff_t>(d * kTokens * kWidth),
                              clean.begin() + static_cast<std::ptrdiff_t>((d + 1) * kTokens * kWidth));
    const std::size_t last = (kTokens - 1) * kWidth;
    double rms2 = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < kWidth; ++i)
      rms2 += static_cast<double>(states[last + i]) * states[last + i] / kWidth;
    const auto unit = [&] {
      std::vector<double> u = embedding(states.data(), Pool::last, norm);
      double square = 0.0;
      for (const double x : u) square += x * x;
      for (double& x : u) x /= std::sqrt(square);
      return u;
    };
    for (std::size_t i = 0; i < kWidth; ++i) {
      const float kept = states[last + i];
      const auto step = static_cast<float>(1e-2 * std::sqrt(rms2));
      states[last + i] = kept + step;
      const std::vector<double> above = unit();
      const double up = states[last + i];
      states[last + i] = kept - step;
      const std::vector<double> below = unit();
      const double apart = up - states[last + i];
      states[last + i] = kept;
      for (std::size_t j = 0; j < kWidth; ++j) squares += std::pow((above[j] - below[j]) / apart, 2);
    }
    expected += rms2 * squares / kDocuments;
  }
  // 16 documents, 64 draws of a direction in 15 dimensions each: a standard error of 1.1%.
  const nlohmann::json last = results("out")["findings"]["embedding"].back();
  EXPECT_NEAR(last["backward"].get<double>() / expected, 1.0, 0.045);
  EXPECT_EQ(last["estimator"], "backward");
  EXPECT_EQ(last["sensitivity"], last["backward"]);
}

TEST_F(Headless, RefusalsAreOneClearLine) {
  const auto refused = [&](const std::vector<std::string>& more, const char* words) {
    const Result result = run("refused", more);
    EXPECT_EQ(result.code, 3) << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  };
  refused({"--bottleneck"}, "a base model without an output head");
  put_pooling(R"({"pooling_mode_max_tokens": true})");
  refused({}, "the pooling 'max'");
  put_pooling(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})");
  refused({}, "2 poolings");
  fs::remove_all(path("model") / "1_Pooling");
  write_checkpoint(path("other"), headless());
  const Result twins = strata({"compare", path("model").string(), path("other").string(), "-f",
                               path("ids.npy").string(), "-o", path("twins").string(), "--quiet"});
  EXPECT_EQ(twins.code, 3) << twins.err;
  EXPECT_NE(twins.err.find("a base model without an output head"), std::string::npos) << twins.err;
  EXPECT_EQ(count_lines(twins.err), 1u) << twins.err;
}

TEST_F(Headless, InspectNamesThePooling) {
  const auto inspected = [&] {
    const Result result = strata({"inspect", path("model").string(), "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out)["pooling"];
  };
  EXPECT_EQ(inspected(), "last token (strata's default)");
  put_pooling(R"({"pooling_mode": ["lasttoken"]})");
  EXPECT_EQ(inspected(), "last token (1_Pooling/config.json)");
  put_pooling(R"({"pooling_mode_max_tokens": true})");
  EXPECT_TRUE(inspected().get<std::string>().starts_with("cannot be analyzed: "));
}

TEST_F(Headless, RunsAreComparedByTheirBoundaries) {
  TinyCheckpoint another = headless();
  another.seed = 2;
  write_checkpoint(path("another"), another);
  ASSERT_EQ(run("one").code, 0);
  ASSERT_EQ(run("two", {}, "another").code, 0);
  const Result study = strata(
      {"compare", path("one").string(), path("two").string(), "-o", path("study").string(), "--quiet"});
  ASSERT_EQ(study.code, 0) << study.err;
  EXPECT_TRUE(fs::exists(path("study") / "report.html"));
  EXPECT_NE(slurp(path("study") / "study.json").find(std::string("compression weights: ") + kReason),
            std::string::npos);
}

// A page can be drawn again from the record, which then comes back with the bytes that were read.
TEST_F(Headless, TheRecordIsReadBack) {
  ASSERT_EQ(run("out").code, 0);
  const std::string page = slurp(path("out") / "report.html");
  fs::remove(path("out") / "report.html");
  const Result again = strata({"report", path("out").string()});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(page.find(kReason), std::string::npos);
  EXPECT_TRUE(slurp(path("out") / "report.html") == page);
}

}  // namespace
}  // namespace strata::test
