// The network as a frozen decoder against LibTorch's autograd.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/autograd_block.h"
#include "tests/sweep/bottleneck_fixture.h"

namespace strata {
namespace {

constexpr std::int64_t kTokens = test::kBottleneckTokens;

using BottleneckAutograd = test::BottleneckFixture;

at::Tensor tensor(const Matrix& m) {
  return at::tensor(at::ArrayRef<double>(m.data), at::kDouble)
      .view({static_cast<std::int64_t>(m.rows), static_cast<std::int64_t>(m.cols)});
}

// At every state, for rows away from the clean ones: KL and its gradient of a network written a second time.
TEST_F(BottleneckAutograd, DistortionAndGradientAgreeWithAutograd) {
  const ResidentModel model = resident();
  const at::Tensor table = test::load_double(*checkpoint_, Role::embedding);
  for (int state = 0; state <= 2; ++state) {
    const FrozenNetwork network(model, *context_, classes_, sample_, state);
    const FrozenDecoder decoder = network.decoder();
    Matrix u = decoder.rows(0);
    ASSERT_EQ(u.rows, kTokens - 2u);  // without the first and the massive token
    for (std::size_t i = 0; i < u.data.size(); ++i) u.data[i] += 0.3 * std::sin(static_cast<double>(i));

    at::Tensor clean = at::empty({kTokens, checkpoint_->config().hidden}, at::kDouble);
    for (std::int64_t t = 0; t < kTokens; ++t)
      clean[t] = table[corpus_.windows[0].ids[static_cast<std::size_t>(t)]];
    for (int layer = 0; layer < state; ++layer) clean = test::autograd_block(*checkpoint_, layer, clean);
    const auto log_p = [&](at::Tensor h) {
      for (int layer = state; layer < 2; ++layer) h = test::autograd_block(*checkpoint_, layer, h);
      return at::log_softmax(test::autograd_logits(*checkpoint_, h), -1).narrow(0, 0, kTokens - 1);
    };
    const at::Tensor p = log_p(clean);
    at::Tensor moved = tensor(u).requires_grad_(true);
    std::vector<at::Tensor> rows;
    for (std::int64_t t = 0, i = 0; t < kTokens; ++t) {
      const bool through = t != 0 && t != 7;
      rows.push_back(through ? moved[i++] * clean[t].square().mean().sqrt() : clean[t]);
    }
    const at::Tensor kl = (p.exp() * (p - log_p(at::stack(rows)))).sum() / static_cast<double>(kTokens - 1);
    kl.backward();

    Matrix gradient;
    EXPECT_NEAR(decoder.distortion(0, u, &gradient), kl.item<double>(), 1e-5 * kl.item<double>());
    const double size = moved.grad().abs().max().item<double>();
    EXPECT_GT(size, 1e-4);
    EXPECT_LT((tensor(gradient) - moved.grad()).abs().max().item<double>(), 1e-4 * size) << state;
  }
}

}  // namespace
}  // namespace strata
