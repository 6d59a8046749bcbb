// The channel and its gradient against LibTorch's operators and autograd.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/bottleneck/random_channel.h"

namespace strata {
namespace {

at::Tensor tensor(std::vector<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble);
}

at::Tensor tensor(const Matrix& m) {
  return tensor(m.data).view({static_cast<std::int64_t>(m.rows), static_cast<std::int64_t>(m.cols)});
}

double largest(const at::Tensor& t) {
  return t.abs().max().item<double>();
}

TEST(BottleneckAutograd, EveryGradientAgrees) {
  const test::RandomChannel at;
  const Channel& c = at.channel;
  // In the order of parameters().
  std::array<at::Tensor, 8> leaves{tensor(c.gain), tensor(c.shift), tensor(c.log_sigma), tensor(c.log_prior),
                                   tensor(c.w1),   tensor(c.c1),    tensor(c.w_mu),      tensor(c.w_sigma)};
  for (at::Tensor& leaf : leaves) leaf.requires_grad_(true);
  const auto& [gain, shift, log_sigma_0, log_prior, w1, c1, w_mu, w_sigma] = leaves;

  const at::Tensor y = tensor(at.y);
  const at::Tensor t = at::tanh(at::addmm(c1, y / tensor(at.basis.lambda).sqrt(), w1.t()));
  const at::Tensor mu = gain * y + shift + at::mm(t, w_mu.t());
  const at::Tensor log_sigma = log_sigma_0 + at::mm(t, w_sigma.t());
  const at::Tensor sigma = log_sigma.exp();
  const at::Tensor ratio = (sigma.square() + mu.square()) * (-2.0 * log_prior).exp();
  const at::Tensor z = mu + sigma * tensor(at.xi);
  const at::Tensor rate = (log_prior - log_sigma + 0.5 * ratio - 0.5).sum(1);
  ((z * tensor(at.slope)).sum() + at.beta * rate.mean()).backward();

  const Encoded encoded = encode(c, at.basis, at.y);
  EXPECT_LT(largest(tensor(draw(encoded, at.xi)) - z), 1e-12 * largest(z));
  EXPECT_LT(largest(tensor(encoded.rate) - rate), 1e-12 * largest(rate));
  ChannelGradient gradient = at.gradient();
  const auto computed = gradient.parameters();
  for (std::size_t p = 0; p < leaves.size(); ++p) {
    const at::Tensor expected = leaves[p].grad().flatten();
    const auto& values = computed[p].values;
    EXPECT_GT(largest(expected), 1e-3) << p;
    EXPECT_LT(largest(tensor({values.begin(), values.end()}) - expected), 1e-10 * largest(expected)) << p;
    EXPECT_EQ(computed[p].is_matrix, leaves[p].dim() == 2) << p;
  }
}

}  // namespace
}  // namespace strata
