// The block and the head in LibTorch's operations, on the processor and, where there is one, on a GPU,
// against strata's own: states, attention statistics, edits, gradients, logits.
#include "strata/backends/torch/torch_block.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "strata/backends/torch/torch_backend.h"
#include "strata/backends/torch/torch_device.h"
#include "strata/base/error.h"
#include "strata/model/backward.h"
#include "tests/support/block_cases.h"
#include "tests/support/block_looks.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::random_values, test::relative_difference;

using Case = std::tuple<const char*, ComputeDType, const Backend*>;

class TorchBlock : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto [family, dtype, backend] = GetParam();
    if (const std::string why = backend->why_not(dtype); !why.empty()) GTEST_SKIP() << why;
    if (const std::string why = cpu_backend().why_not(dtype); !why.empty()) GTEST_SKIP() << why;
    compute_ = {dtype, *backend};
    require_compute(compute_);
    test::write_checkpoint(directory_.path(), test::block_case(family));
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }
  [[nodiscard]] const ModelConfig& config() const { return checkpoint_->config(); }
  // Of float32, a rounding or two; of bfloat16, results are rounded where ours are not. The gates and the
  // gated norm of a hybrid make both larger.
  [[nodiscard]] double tolerance() const {
    const double each = compute_.dtype == ComputeDType::float32 ? 1e-5 : 8e-2;
    return family_of(config()).delta_rule ? 5.0 * each : each;
  }

  struct Pass {
    std::vector<float> out;
    std::vector<double> sums;  // distance and entropy of every query, all and reduced
  };
  // The processor's routes of these rows: of nearly equal probabilities another rounding takes another
  // expert.
  const Routing* routes(const std::vector<float>& h, const AttentionEdit* edit) {
    if (!config().experts || compute_.dtype == ComputeDType::float32) return nullptr;
    BlockHooks hooks(nullptr, edit);
    hooks.routing = &routes_;
    const std::int64_t n = std::ssize(h) / config().hidden;
    std::vector<float> out(h.size());
    BlockScratch scratch;
    forward_block(load_block(*checkpoint_, 1, compute_.dtype), make_rope_table(config(), static_cast<int>(n)),
                  h.data(), out.data(), n, scratch, hooks);
    return &routes_;
  }
  Pass forward(Compute compute, const std::vector<float>& h, bool statistics, const AttentionEdit* edit) {
    const std::int64_t n = std::ssize(h) / config().hidden;
    Pass pass{.out = std::vector<float>(h.size()),
              .sums = std::vector<double>(static_cast<std::size_t>(4 * n))};
    std::vector<float> keep(static_cast<std::size_t>(n), 1.0f);
    keep[0] = keep[keep.size() / 2] = 0.0f;
    const auto part = [&](std::size_t i) {
      return std::span(pass.sums).subspan(i * keep.size(), keep.size());
    };
    const AttentionSums sums{.keep = keep,
                             .distance_all = part(0),
                             .entropy_all = part(1),
                             .distance_reduced = part(2),
                             .entropy_reduced = part(3)};
    BlockHooks hooks(statistics ? &sums : nullptr, edit);
    hooks.frozen_routing = routes(h, edit);
    BlockScratch scratch;
    forward_block(load_block(*checkpoint_, 1, compute), make_rope_table(config(), static_cast<int>(n)),
                  h.data(), pass.out.data(), n, scratch, hooks);
    return pass;
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Compute compute_;
  Routing routes_;
};

TEST_P(TorchBlock, StatesAndAttentionStatistics) {
  for (const std::int64_t tokens : {1, 2, 53}) {
    SCOPED_TRACE(tokens);
    const auto h = random_values(tokens * config().hidden, 1);
    const Pass ours = forward(compute_.dtype, h, true, nullptr), theirs = forward(compute_, h, true, nullptr);
    EXPECT_LT(relative_difference(theirs.out, ours.out), tolerance());
    for (std::size_t i = 0; i < ours.sums.size(); ++i) {
      EXPECT_EQ(std::isnan(theirs.sums[i]), std::isnan(ours.sums[i])) << i;
      if (!std::isnan(ours.sums[i])) {
        EXPECT_NEAR(theirs.sums[i], ours.sums[i], 4.0 * tolerance()) << i;
      }
    }
  }
}

TEST_P(TorchBlock, WhatLooksIntoBlocksAndWhatIsLeftOut) {
  if (compute_.dtype != ComputeDType::float32) return;  // experts whose probabilities are nearly equal
  test::expect_same_hooks(load_block(*checkpoint_, 1, compute_), load_block(*checkpoint_, 1),
                          make_rope_table(config(), 64), random_values(53 * config().hidden, 1), tolerance());
}

// So many tokens that the heads are taken in pieces, and the largest of so many roundings of bfloat16 is
// larger.
TEST_P(TorchBlock, LongWindows) {
  const auto h = random_values(3000 * config().hidden, 2);
  EXPECT_LT(relative_difference(forward(compute_, h, false, nullptr).out,
                                forward(compute_.dtype, h, false, nullptr).out),
            compute_.dtype == ComputeDType::float32 ? tolerance() : 2.0 * tolerance());
}

TEST_P(TorchBlock, AttentionIsEditedHeadByHead) {
  if (describe_block(config(), 1).mixer != Mixer::attention) return;
  const auto h = random_values(31 * config().hidden, 3);
  const AttentionEdit uniform = [](int head, std::int64_t query, float* probability) {
    for (std::int64_t j = 0; j <= query; ++j) {
      if (head % 2 == 1) probability[j] = 1.0f / static_cast<float>(query + 1);
    }
  };
  const Pass ours = forward(compute_.dtype, h, false, &uniform),
             theirs = forward(compute_, h, false, &uniform);
  EXPECT_LT(relative_difference(theirs.out, ours.out), tolerance());
  EXPECT_GT(relative_difference(forward(compute_, h, false, nullptr).out, ours.out), 0.2);
}

TEST_P(TorchBlock, GradientsOfABlock) {
  constexpr std::int64_t kTokens = 37;
  const auto h = random_values(kTokens * config().hidden, 4);
  const RopeTable rope = make_rope_table(config(), 64);
  const auto pulled = [&](Compute compute) {
    std::vector<std::vector<float>> gradients{random_values(kTokens * config().hidden, 5),
                                              random_values(kTokens * config().hidden, 6)};
    const std::vector<float*> pointers{gradients[0].data(), gradients[1].data()};
    BackwardScratch scratch;
    backward_block(load_block(*checkpoint_, 2, compute), rope, h.data(), pointers, kTokens, scratch);
    return gradients;
  };
  const auto ours = pulled(compute_.dtype), theirs = pulled(compute_);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_LT(relative_difference(theirs[i], ours[i]), tolerance()) << i;
  }
}

TEST_P(TorchBlock, LogitsAndTheirGradients) {
  constexpr std::int64_t kRows = 11;
  const auto h = random_values(kRows * config().hidden, 7);
  const auto d_logits = random_values(kLogitRows * config().vocab, 8);
  const auto both = [&](Compute compute) {
    const HeadWeights head = load_head(*checkpoint_, load_embedding(*checkpoint_, compute));
    EXPECT_EQ(&head.unembedding.backend(), compute.backend);
    std::pair<std::vector<float>, std::vector<float>> result;
    result.first.resize(static_cast<std::size_t>(kRows * config().vocab));
    result.second.resize(h.size());
    LogitScratch scratch;
    compute_logits(head, config(), h.data(), kRows, result.first.data(), scratch);
    result.first.insert(result.first.end(), scratch.normed.begin(), scratch.normed.begin() + std::ssize(h));
    backward_logits(head, config(), h.data(), kRows, d_logits.data(), result.second.data(), scratch);
    return result;
  };
  const auto ours = both(compute_.dtype), theirs = both(compute_);
  EXPECT_LT(relative_difference(theirs.first, ours.first), tolerance());
  EXPECT_LT(relative_difference(theirs.second, ours.second), tolerance());
}

TEST_P(TorchBlock, WeightsComeBackAsTheyWerePut) {
  BlockWeights weights = load_block(*checkpoint_, 0, compute_),
               packed = load_block(*checkpoint_, 0, compute_.dtype);
  EXPECT_EQ(weights.dtype(), compute_.dtype);
  const auto all = matrices_of(weights);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(&all[i]->backend(), compute_.backend);
    const std::vector<float> ours = matrices_of(packed)[i]->unpack();
    EXPECT_EQ(all[i]->unpack(), ours);
    std::vector<float> row(static_cast<std::size_t>(all[i]->columns()));
    all[i]->read_row(3, row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), ours.begin() + 3 * std::ssize(row)));
  }
}

std::string name_of(const testing::TestParamInfo<Case>& one) {
  const auto& [family, dtype, backend] = one.param;
  std::string name = std::string(family) + "_" + to_string(dtype) + "_" + std::string(backend->name());
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, TorchBlock,
                         testing::Combine(testing::ValuesIn(test::kBlockCases),
                                          testing::Values(ComputeDType::float32, ComputeDType::bfloat16),
                                          testing::Values(&torch_cpu_backend(), &cuda_backend())),
                         name_of);

TEST(TorchBackend, WhatLibTorchThrowsIsAnErrorOfOurs) {
  const auto error_of = [](const std::function<void()>& body) -> Error {
    try {
      on_device(body);
    } catch (const Error& error) {
      return error;
    }
    throw std::runtime_error("nothing was thrown");
  };
  const Error memory = error_of([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "no room for 7 bytes"); });
  EXPECT_EQ(memory.kind(), ErrorKind::out_of_memory);
  EXPECT_NE(std::string(memory.what()).find("device cuda"), std::string::npos) << memory.what();
  const Error other = error_of([] { TORCH_CHECK(false, "sizes do not match"); });
  EXPECT_EQ(other.kind(), ErrorKind::run_failed);
  EXPECT_NE(std::string(other.what()).find("sizes do not match"), std::string::npos) << other.what();
  EXPECT_EQ(std::string(other.what()).find('\n'), std::string::npos);
}

TEST(TorchBackend, CudaIsRefusedByNameWhereThereIsNone) {
  if (at::hasCUDA()) GTEST_SKIP() << "there is a CUDA device";
  try {
    require_compute({ComputeDType::float32, cuda_backend()});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string(error.what()).find("device cuda"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("--device cpu"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace strata
