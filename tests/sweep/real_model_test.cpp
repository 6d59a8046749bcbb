// States and loss of SmolLM2-135M-Instruct (GGUF Q4_1) against an independent forward pass: NumPy in float64
// on weights dequantized by itself, without LibTorch, transformers or code of ours.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/npy.h"
#include "strata/model/kernels.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/verify.h"
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

}  // namespace
}  // namespace strata
