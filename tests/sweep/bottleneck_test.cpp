// The network as a frozen decoder against LibTorch's autograd, and bottlenecks trained on it.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/error.h"
#include "strata/model/threads.h"
#include "strata/sweep/bottleneck_sweep.h"
#include "tests/support/autograd_block.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr std::int64_t kTokens = 64;

class BottleneckSweep : public testing::Test {
 protected:
  BottleneckSweep() {
    (void)single_thread_blas();
    test::write_checkpoint(directory_.path(), {.layers = 2, .vocab = 12});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    corpus_ = test::random_corpus({.documents = 16, .vocab = 12});
    context_.emplace(make_context(checkpoint_->config(), corpus_));
    classes_.assign(static_cast<std::size_t>(context_->token_count()), TokenClass::ordinary);
    for (std::size_t w = 0; w < corpus_.windows.size(); ++w) {
      classes_[static_cast<std::size_t>(context_->first_token[w])] = TokenClass::first;
      sample_.push_back({w, kTokens});
    }
    classes_[7] = TokenClass::massive;
    embedding_ = load_embedding(*checkpoint_);
    head_ = load_head(*checkpoint_, embedding_);
  }

  [[nodiscard]] std::vector<BottleneckCurve> run(int threads) const {
    const std::vector<BottleneckTask> tasks{{.state = 0, .grid = {{0.01, 0.3}, {0.1, 1.0}}},
                                            {.state = 1, .grid = {{0.02, 0.5}}}};
    const LaneModel model{*checkpoint_, embedding_, head_};
    const MeasureOptions options{.threads = threads};
    return run_bottlenecks(
        {.model = model, .context = *context_, .classes = classes_, .sample = sample_, .options = options},
        tasks, nullptr);
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_;
  std::optional<SweepContext> context_;
  std::vector<TokenClass> classes_;
  std::vector<LaneWindow> sample_;
  Embedding embedding_;
  HeadWeights head_;
};

// At every state, for rows away from the clean ones: KL and its gradient of a network written a second time.
TEST_F(BottleneckSweep, DistortionAndGradientAgreeWithAutograd) {
  ResidentModel model{checkpoint_->config(), embedding_, head_, {}};
  for (int block = 0; block < 2; ++block) model.blocks.push_back(load_block(*checkpoint_, block));
  const at::Tensor table = test::load_double(*checkpoint_, Role::embedding);
  for (int state = 0; state <= 2; ++state) {
    const FrozenNetwork network(model, *context_, classes_, sample_, state);
    const FrozenDecoder decoder = network.decoder();
    const at::Tensor u = decoder.rows(0);
    ASSERT_EQ(u.size(0), kTokens - 2);  // without the first and the massive token
    EXPECT_NEAR(u.square().mean().item<double>(), 1.0, 1e-6);
    EXPECT_LT(decoder.distortion(0, u, nullptr), 1e-9);

    at::Tensor clean = at::empty({kTokens, checkpoint_->config().hidden}, at::kDouble);
    for (std::int64_t t = 0; t < kTokens; ++t)
      clean[t] = table[corpus_.windows[0].ids[static_cast<std::size_t>(t)]];
    for (int layer = 0; layer < state; ++layer) clean = test::autograd_block(*checkpoint_, layer, clean);
    const auto log_p = [&](at::Tensor h) {
      for (int layer = state; layer < 2; ++layer) h = test::autograd_block(*checkpoint_, layer, h);
      return at::log_softmax(test::autograd_logits(*checkpoint_, h), -1).narrow(0, 0, kTokens - 1);
    };
    const at::Tensor p = log_p(clean);
    at::Tensor moved =
        (u + 0.3 * at::sin(at::arange(u.numel(), at::kDouble)).view(u.sizes())).requires_grad_(true);
    at::Tensor h = clean.clone();
    std::vector<at::Tensor> rows;
    for (std::int64_t t = 0, i = 0; t < kTokens; ++t) {
      const bool through = t != 0 && t != 7;
      rows.push_back(through ? moved[i++] * clean[t].square().mean().sqrt() : clean[t]);
    }
    const at::Tensor kl = (p.exp() * (p - log_p(at::stack(rows)))).sum() / static_cast<double>(kTokens - 1);
    kl.backward();

    at::Tensor gradient;
    EXPECT_NEAR(decoder.distortion(0, moved.detach(), &gradient), kl.item<double>(),
                1e-5 * kl.item<double>());
    const double size = moved.grad().abs().max().item<double>();
    EXPECT_GT(size, 1e-4);
    EXPECT_LT((gradient - moved.grad()).abs().max().item<double>(), 1e-4 * size) << state;
  }
}

TEST_F(BottleneckSweep, TrainedChannelsAreBetterThanTheirStartAndTheSameOnAnyThreads) {
  const auto curves = run(2);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].train_tokens, 8 * kTokens);
  EXPECT_EQ(curves[0].held_out_tokens, 8 * kTokens);
  for (const BottleneckCurve& curve : curves) {
    for (const BottleneckPoint& p : curve.points) {
      EXPECT_GT(p.rate_nats, 0.0);
      EXPECT_GT(p.distortion_nats, 0.0);
      EXPECT_LT(p.distortion_nats + p.beta * p.rate_nats,
                p.start_distortion_nats + p.beta * p.start_rate_nats);
    }
  }
  EXPECT_LT(curves[0].points[1].rate_nats,
            curves[0].points[0].rate_nats);  // the dearer one lets less through
  const auto again = run(1);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < curves[i].points.size(); ++j) {
      EXPECT_EQ(curves[i].points[j].rate_nats, again[i].points[j].rate_nats);
      EXPECT_EQ(curves[i].points[j].distortion_nats, again[i].points[j].distortion_nats);
    }
  }
}

// Rounded ends and a rounded clean sweep change nothing: the network that trains is float32.
TEST_F(BottleneckSweep, IsFloat32InEveryComputeMode) {
  if (const std::string why = why_not_computed(ComputeDType::bfloat16); !why.empty()) GTEST_SKIP() << why;
  const std::vector<BottleneckTask> tasks{{.state = 1, .grid = {{0.02, 0.5}}}};
  const auto run_in = [&](ComputeDType dtype) {
    const Embedding embedding = load_embedding(*checkpoint_, dtype);
    const HeadWeights head = load_head(*checkpoint_, embedding);
    const LaneModel model{*checkpoint_, embedding, head};
    const MeasureOptions options{.compute = dtype};
    return run_bottlenecks({.model = model,
                            .context = *context_,
                            .classes = classes_,
                            .sample = sample_,
                            .options = options},
                           tasks, nullptr)[0]
        .points[0];
  };
  const BottleneckPoint exact = run_in(ComputeDType::float32), rounded = run_in(ComputeDType::bfloat16);
  EXPECT_EQ(exact.rate_nats, rounded.rate_nats);
  EXPECT_EQ(exact.distortion_nats, rounded.distortion_nats);
}

TEST_F(BottleneckSweep, WhatItCannotDoIsSaid) {
  sample_.resize(3);
  EXPECT_STRATA_ERROR(run(1), ErrorKind::usage, "3 documents in the lanes; expected at least 4");
}

}  // namespace
}  // namespace strata
