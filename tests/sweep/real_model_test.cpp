// SmolLM2-135M-Instruct (GGUF Q4_1) against programs of others. States and loss: NumPy in float64 on weights
// dequantized by itself, and transformers (tests/golden/smollm2/make.py). kappa and the cost of skipping
// blocks: PyTorch's automatic differentiation. Perplexity: perplexity_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/model/kernels.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/verify.h"
#include "strata/theory/kappa.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

constexpr std::size_t kWidth = 576, kVocab = 49152;
// What tests/golden/smollm2/states.npy holds, of the first 64 tokens of texts/tales/01.txt. Position 0 of
// state 20 is a hundred times as large as the others.
constexpr std::array<int, 5> kStates = {0, 1, 10, 20, 30};
constexpr std::array<std::size_t, 4> kPositions = {0, 1, 31, 63};

template <typename T>
std::vector<T> golden(const char* name) {
  const auto path = test::repo_path("tests/golden/smollm2") / name;
  return std::get<std::vector<T>>(read_npy(path).data);
}

TEST(SmolLM2, StatesAndLossOfAnIndependentForwardPass) {
  const auto path = test::real_model();
  if (!path) GTEST_SKIP() << test::kNoRealModel;
  const Checkpoint checkpoint = Checkpoint::open(*path);
  ASSERT_EQ(checkpoint.config().n_layers, 30);
  const auto ids = golden<std::int32_t>("token_ids.npy");
  const auto expected = golden<float>("states.npy");
  const auto nll = golden<double>("nll.npy");
  ASSERT_EQ(expected.size(), kStates.size() * kPositions.size() * kWidth);
  ASSERT_EQ(nll.size(), ids.size() - 1);
  std::vector<float> ours;
  double worst_nll = 0.0, sum = 0.0, expected_sum = 0.0;
  const ForwardObserver observer{
      .state =
          [&](int state, std::size_t, std::span<const float> h) {
            if (std::find(kStates.begin(), kStates.end(), state) == kStates.end()) return;
            for (const std::size_t position : kPositions) {
              const auto row = h.subspan(position * kWidth, kWidth);
              ours.insert(ours.end(), row.begin(), row.end());
            }
          },
      .output =
          [&](std::size_t, std::int64_t first, std::span<const float>, std::span<const float> logits) {
            for (std::size_t r = 0; r < logits.size() / kVocab; ++r) {
              const auto at = static_cast<std::size_t>(first) + r;
              if (at + 1 >= ids.size()) break;
              const auto row = logits.subspan(r * kVocab, kVocab);
              const double mine = log_sum_exp(row) - row[static_cast<std::size_t>(ids[at + 1])];
              worst_nll = std::max(worst_nll, std::fabs(mine - nll[at]));
              sum += mine;
              expected_sum += nll[at];
            }
          }};
  forward_windows(checkpoint, {ids}, {.threads = 2}, observer);
  ASSERT_EQ(ours.size(), expected.size());
  RowDifference worst;
  fold_rows(worst, expected, ours, kWidth, 0);
  EXPECT_LT(worst.relative, kReferenceTolerance) << "row " << worst.position;
  EXPECT_LT(worst_nll, 1e-4);
  EXPECT_NEAR(sum / 63.0, expected_sum / 63.0, 1e-5);
  EXPECT_NEAR(expected_sum / 63.0, 4.529537470165826, 1e-12);  // the file is the one that was made
  RecordProperty("worst_relative", std::to_string(worst.relative));
}

// All 31 states of a window of 512 tokens, at six positions each, against transformers.
TEST(SmolLM2, StatesOf512TokensAreThoseOfTransformers) {
  const auto path = test::real_model();
  if (!path) GTEST_SKIP() << test::kNoRealModel;
  constexpr std::array<std::size_t, 6> kAt = {0, 1, 17, 128, 300, 511};
  const Checkpoint checkpoint = Checkpoint::open(*path);
  const auto ids = golden<std::int32_t>("ids_512.npy");
  const auto expected = golden<float>("states_512.npy");
  ASSERT_EQ(ids.size(), 512u);
  ASSERT_EQ(expected.size(), 31 * kAt.size() * kWidth);
  std::vector<float> ours(expected.size());
  const ForwardObserver observer{.state = [&](int state, std::size_t, std::span<const float> h) {
    for (std::size_t i = 0; i < kAt.size(); ++i) {
      const std::size_t to = (static_cast<std::size_t>(state) * kAt.size() + i) * kWidth;
      std::copy_n(h.begin() + static_cast<std::ptrdiff_t>(kAt[i] * kWidth), kWidth,
                  ours.begin() + static_cast<std::ptrdiff_t>(to));
    }
  }};
  forward_windows(checkpoint, {ids}, {.threads = 2}, observer);
  RowDifference worst;
  fold_rows(worst, expected, ours, kWidth, 0);
  EXPECT_LT(worst.relative, kReferenceTolerance) << "row " << worst.position;
  fmt::print("worst element: {:.1e} of its token's RMS\n", worst.relative);
}

// Two documents of one window of 64 tokens each, and what PyTorch has found for them.
class SmolLM2Brittleness : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::real_model();
    if (!path) GTEST_SKIP() << test::kNoRealModel;
    checkpoint_.emplace(Checkpoint::open(*path));
    golden_ = nlohmann::json::parse(
        read_file(test::repo_path("tests/golden/smollm2/brittleness.json")))["documents"];
  }

  // The first `documents` documents, each of them a lane.
  [[nodiscard]] Trace measured(std::size_t documents, MeasureOptions options) const {
    Corpus corpus{.name = "golden", .bos_policy = "none"};
    for (std::size_t d = 0; d < documents; ++d) {
      const auto ids = golden_[d]["ids"].get<std::vector<std::int32_t>>();
      corpus.documents.push_back({.name = golden_[d]["file"].get<std::string>()});
      corpus.windows.push_back({.document = static_cast<int>(d), .index = 0, .ids = ids});
      options.lane_tokens = static_cast<std::int64_t>((d + 1) * ids.size());
    }
    options.threads = 2;
    options.signals = {"residual_rms", "sensitivity"};
    Trace trace = measure({.checkpoint = *checkpoint_, .corpus = corpus}, options, nullptr);
    EXPECT_EQ(trace.n_massive, 0) << "the reference has one sink, position 0";
    return trace;
  }

  std::optional<Checkpoint> checkpoint_;
  nlohmann::json golden_;
};

// Ten blocks left out (to be short: the golden file has all 30), and every state's kappa by the backward
// sweep: the same labels, drawn by the reference from its own probabilities.
TEST_F(SmolLM2Brittleness, SkippedBlocksAndTheBackwardSweepAreThoseOfPyTorch) {
  const Trace trace = measured(
      2,
      {.label_samples = 4, .interventions = {"block_skip"}, .layers = {0, 1, 2, 8, 11, 15, 20, 25, 28, 29}});
  ASSERT_EQ(trace.curves.size(), 10u);
  double worst_kl = 0.0, worst_nll = 0.0, worst_kappa = 0.0;
  const auto relative = [](double ours, double theirs) { return std::fabs(ours / theirs - 1.0); };
  for (const DoseCurve& curve : trace.curves) {
    const auto block = static_cast<std::size_t>(curve.place);
    for (std::size_t d = 0; d < 2; ++d) {
      const double kl = golden_[d]["skip_kl"][block];
      worst_kl = std::max(worst_kl, relative(curve.kl_nats(d, 0), kl));
      const double nll = golden_[d]["skip_delta_nll"][block];
      worst_nll = std::max(worst_nll, std::fabs(curve.delta_nll_nats(d, 0) - nll) / (std::fabs(nll) + kl));
      EXPECT_NEAR(curve.top1_agreement(d, 0), golden_[d]["skip_top1"][block].get<double>(), 1e-9) << block;
    }
  }
  const Series* series = backward_series_of(trace);
  ASSERT_NE(series, nullptr);
  for (std::size_t d = 0; d < 2; ++d) {
    for (std::size_t state = 0; state <= 30; ++state)
      worst_kappa = std::max(
          worst_kappa,
          relative(series->by_doc(d, state), golden_[d]["kappa_of_strata_labels"][state].get<double>()));
  }
  fmt::print("worst of 20 KL {:.1e}, change of NLL {:.1e}, of 62 kappa {:.1e}\n", worst_kl, worst_nll,
             worst_kappa);
  EXPECT_LT(worst_kl, 1e-3);
  EXPECT_LT(worst_nll, 1e-3);
  EXPECT_LT(worst_kappa, 1e-3);
}

// The lanes' kappa is a limit of finite noise in float32, the reference's a derivative along the same noise.
TEST_F(SmolLM2Brittleness, KappaOfLanesIsTheDerivativeAlongTheirNoise) {
  const Trace trace =
      measured(1, {.label_samples = 1, .interventions = {"relative_noise"}, .layers = {0, 11, 30}});
  double worst = 0.0;
  int compared = 0;
  for (const KappaEstimate& estimate : estimate_kappa(trace)) {
    if (std::isnan(estimate.check)) continue;  // lanes at three states check the backward sweep
    const double theirs = golden_[0]["kappa_of_strata_noise"][static_cast<std::size_t>(estimate.state)];
    worst = std::max(worst, std::fabs(estimate.check / theirs - 1.0));
    EXPECT_NEAR(estimate.check / theirs, 1.0, 0.01) << estimate.state << ": " << estimate.check;
    ++compared;
  }
  EXPECT_EQ(compared, 3);
  fmt::print("worst kappa of {} states: {:.1e}\n", compared, worst);
}

}  // namespace
}  // namespace strata
