// The registry of backends, and that its interface suffices for one that is neither the processor's nor
// LibTorch's.
#include "strata/model/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "strata/base/error.h"
#include "strata/model/backward.h"
#include "tests/support/block_cases.h"
#include "tests/support/block_looks.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/plain_backend.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::plain_backend, test::random_values, test::relative_difference;

constexpr double kTolerance = 1e-5;  // of the RMS: float32 sums in another order

TEST(Backends, AreFoundByNameTheProcessorFirst) {
  const std::uint64_t before = program_bytes();
  add_backend(plain_backend());
  add_backend(plain_backend());  // once
  const auto all = backends();
  ASSERT_EQ(all.front(), &cpu_backend());
  EXPECT_EQ(std::count(all.begin(), all.end(), &plain_backend()), 1);
  for (const Backend* backend : all) EXPECT_EQ(&backend_named(backend->name()), backend);
  EXPECT_EQ(program_bytes(), before + plain_backend().library_bytes());
}

TEST(Backends, AnUnknownNameIsToldWhatThereIs) {
  add_backend(plain_backend());
  EXPECT_STRATA_ERROR(backend_named("tpu"), ErrorKind::unsupported, "device tpu: no such backend");
  EXPECT_STRATA_ERROR(backend_named("tpu"), ErrorKind::unsupported, "one of: cpu, plain");
  EXPECT_STRATA_ERROR(backend_named(""), ErrorKind::unsupported, "one of: cpu");
  EXPECT_STRATA_ERROR(backend_named("CPU"), ErrorKind::unsupported, "one of: cpu");
}

TEST(Backends, WhatABackendCannotComputeIsSaid) {
  EXPECT_NO_THROW(require_compute({}));
  EXPECT_NO_THROW(require_compute({ComputeDType::float32, plain_backend()}));
  EXPECT_STRATA_ERROR((require_compute({ComputeDType::bfloat16, plain_backend()}), 0), ErrorKind::unsupported,
                      "device plain: plain loops compute in float32 alone");
}

class SecondBackend : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    test::write_checkpoint(directory_.path(), test::block_case(GetParam()));
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }
  [[nodiscard]] const ModelConfig& config() const { return checkpoint_->config(); }

  struct Pass {
    std::vector<float> out;
    std::vector<double> sums;  // distance and entropy of every query, all and reduced
  };
  [[nodiscard]] Pass forward(Compute compute, const std::vector<float>& h, const AttentionEdit* edit) const {
    const std::int64_t n = std::ssize(h) / config().hidden;
    Pass pass{.out = h, .sums = std::vector<double>(static_cast<std::size_t>(4 * n))};
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
    BlockScratch scratch;
    forward_block(load_block(*checkpoint_, 1, compute), make_rope_table(config(), static_cast<int>(n)),
                  pass.out.data(), pass.out.data(), n, scratch, {&sums, edit});
    return pass;
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Compute plain_{ComputeDType::float32, plain_backend()};
};

TEST_P(SecondBackend, HoldsItsWeightsItself) {
  BlockWeights weights = load_block(*checkpoint_, 0, plain_), ours = load_block(*checkpoint_, 0);
  const auto all = matrices_of(weights);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Weight *theirs = all[i], *packed = matrices_of(ours)[i];
    EXPECT_EQ(&theirs->backend(), &plain_backend());
    EXPECT_EQ(&packed->backend(), &cpu_backend());
    EXPECT_EQ(theirs->unpack(), packed->unpack());
    EXPECT_ANY_THROW((void)theirs->packed());
    EXPECT_ANY_THROW((void)packed->stored());
  }
  ASSERT_NE(weights.mlp_norm.stored, nullptr);
  std::vector<float> row(weights.mlp_norm.values.size());
  weights.mlp_norm.stored->read_row(0, row.data());
  EXPECT_EQ(row, ours.mlp_norm.values);
  EXPECT_EQ(ours.mlp_norm.stored, nullptr);
  // An edited copy, as lanes make them, stays where the original is.
  const Weight& original = *all.back();
  Weight copy(original.compute(), original.rows(), original.columns());
  const std::vector<float> values = original.unpack();
  copy.put_rows(0, copy.rows(), values.data(), copy.columns());
  EXPECT_EQ(&copy.backend(), &plain_backend());
  EXPECT_EQ(copy.unpack(), values);
}

TEST_P(SecondBackend, StatesAndAttentionStatisticsAreTheProcessors) {
  for (const std::int64_t tokens : {1, 2, 53}) {
    SCOPED_TRACE(tokens);
    const auto h = random_values(tokens * config().hidden, 1);
    const Pass ours = forward({}, h, nullptr), theirs = forward(plain_, h, nullptr);
    EXPECT_LT(relative_difference(theirs.out, ours.out), kTolerance);
    EXPECT_NE(theirs.out, h);
    for (std::size_t i = 0; i < ours.sums.size(); ++i) {
      ASSERT_EQ(std::isnan(theirs.sums[i]), std::isnan(ours.sums[i])) << i;
      if (!std::isnan(ours.sums[i])) {
        EXPECT_NEAR(theirs.sums[i], ours.sums[i], 4.0 * kTolerance) << i;
      }
    }
  }
}

TEST_P(SecondBackend, WhatLooksIntoBlocksAndWhatIsLeftOut) {
  const RopeTable rope = make_rope_table(config(), 64);
  for (const int block : {0, 1}) {
    SCOPED_TRACE(block);
    test::expect_same_hooks(load_block(*checkpoint_, block, plain_), load_block(*checkpoint_, block), rope,
                            random_values(53 * config().hidden, 1), kTolerance);
  }
}

TEST_P(SecondBackend, AttentionIsEditedHeadByHead) {
  if (describe_block(config(), 1).mixer != Mixer::attention) return;
  const auto h = random_values(31 * config().hidden, 3);
  const AttentionEdit uniform = [](int head, std::int64_t query, float* probability) {
    for (std::int64_t j = 0; j <= query; ++j) {
      if (head % 2 == 1) probability[j] = 1.0f / static_cast<float>(query + 1);
    }
  };
  const Pass ours = forward({}, h, &uniform), theirs = forward(plain_, h, &uniform);
  EXPECT_LT(relative_difference(theirs.out, ours.out), kTolerance);
  EXPECT_GT(relative_difference(forward(plain_, h, nullptr).out, ours.out), 0.2);
}

TEST_P(SecondBackend, GradientsLogitsAndTheirGradientsAreTheProcessors) {
  constexpr std::int64_t kTokens = 11;
  const auto h = random_values(kTokens * config().hidden, 4);
  const auto d_logits = random_values(kLogitRows * config().vocab, 8);
  const RopeTable rope = make_rope_table(config(), kTokens);
  struct Results {
    std::vector<float> gradient, logits, normed, d_h;
  };
  const auto all = [&](Compute compute) {
    const Embedding embedding = load_embedding(*checkpoint_, compute);
    const HeadWeights head = load_head(*checkpoint_, embedding);
    EXPECT_EQ(&head.unembedding.backend(), compute.backend);
    Results r{.gradient = random_values(std::ssize(h), 5),
              .logits = std::vector<float>(static_cast<std::size_t>(kTokens * config().vocab)),
              .normed = {},
              .d_h = std::vector<float>(h.size())};
    const std::vector<float*> pointers{r.gradient.data()};
    BackwardScratch backward;
    backward_block(load_block(*checkpoint_, 2, compute), rope, h.data(), pointers, kTokens, backward);
    LogitScratch scratch;
    compute_logits(head, config(), h.data(), kTokens, r.logits.data(), scratch);
    r.normed.assign(scratch.normed.begin(), scratch.normed.begin() + std::ssize(h));
    backward_logits(head, config(), h.data(), kTokens, d_logits.data(), r.d_h.data(), scratch);
    return r;
  };
  const Results ours = all({}), theirs = all(plain_);
  EXPECT_LT(relative_difference(theirs.gradient, ours.gradient), kTolerance);
  EXPECT_LT(relative_difference(theirs.logits, ours.logits), kTolerance);
  EXPECT_LT(relative_difference(theirs.normed, ours.normed), kTolerance);
  EXPECT_LT(relative_difference(theirs.d_h, ours.d_h), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Families, SecondBackend, testing::ValuesIn(test::kBlockCases),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace strata
