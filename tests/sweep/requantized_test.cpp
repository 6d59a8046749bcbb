// SmolLM2-135M-Instruct beside two files that llama-quantize made of it (scripts/requantize): the damage of
// the whole and of each part, against PyTorch on the dequantized weights (tests/golden/smollm2/make.py
// divergence).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/sweep/divergence.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using nlohmann::json;

std::string name_of(const Substitution& substitution) {
  return substitution.part == Part::block ? std::to_string(substitution.block) : to_string(substitution.part);
}

class Requantized : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto model = test::real_model();
    if (!model) GTEST_SKIP() << test::kNoRealModel;
    original_ = *model;
    other_ = model->parent_path() / fmt::format("SmolLM2-135M-Instruct.{}.gguf", GetParam());
    if (!std::filesystem::exists(other_))
      GTEST_SKIP() << other_ << " is not there; scripts/requantize makes it";
    golden_ = json::parse(read_file(test::repo_path("tests/golden/smollm2/divergence.json")));
    variant_ = golden_["variants"][GetParam()];
    if (sha256_hex(read_file(other_)) != variant_["sha256"])
      GTEST_SKIP() << other_ << " is not the file that divergence.json was made from";
  }
  [[nodiscard]] DivergenceRecord measure() const {
    Corpus corpus{.name = "golden", .bos_policy = "none"};
    for (std::size_t d = 0; d < golden_["ids"].size(); ++d) {
      corpus.documents.push_back({.name = std::to_string(d)});
      corpus.windows.push_back({.document = static_cast<int>(d),
                                .index = 0,
                                .ids = golden_["ids"][d].get<std::vector<std::int32_t>>()});
    }
    const Checkpoint original = Checkpoint::open(original_), other = Checkpoint::open(other_);
    return measure_divergence({.original = original, .other = other, .corpus = corpus},
                              {.threads = 2, .lane_tokens = 1024}, {});
  }
  static void expect_near(double ours, const json& theirs, double tolerance) {
    EXPECT_NEAR(ours, theirs.get<double>(), tolerance);
  }

  std::filesystem::path original_, other_;
  json golden_, variant_;
};

// float32 against float64: 1e-6 nats, and 0.1% of a damage that is larger.
TEST_P(Requantized, TheDamageIsPyTorchs) {
  const DivergenceRecord record = measure();
  ASSERT_EQ(record.documents.size(), golden_["ids"].size());
  for (std::size_t d = 0; d < record.documents.size(); ++d) {
    SCOPED_TRACE(d);
    const DivergenceDocument& ours = record.documents[d];
    const json& whole = variant_["documents"][d]["everything"];
    const double kl = whole["kl"].get<double>();
    expect_near(ours.kl_nats, whole["kl"], 1e-6 + 1e-3 * kl);
    expect_near(ours.nll_other_nats - ours.nll_original_nats, whole["delta_nll"], 1e-5 + 1e-3 * kl);
    expect_near(ours.same_top, whole["same_top"], 1e-12);
    for (const Substitution& substitution : record.substitutions) {
      SCOPED_TRACE(name_of(substitution));
      const json& part = variant_["documents"][d][name_of(substitution)];
      expect_near(substitution.kl_nats[d], part["kl"], 1e-6 + 1e-3 * part["kl"].get<double>());
      expect_near(substitution.delta_nll_nats[d], part["delta_nll"], 1e-5 + 1e-3 * part["kl"].get<double>());
    }
  }
  EXPECT_EQ(record.substitutions.size(), 33u);  // everything, embedding, 30 blocks, head
}

INSTANTIATE_TEST_SUITE_P(Types, Requantized, testing::Values("Q8_0", "Q4_K_M"),
                         [](const auto& type) { return std::string(type.param); });

}  // namespace
}  // namespace strata
