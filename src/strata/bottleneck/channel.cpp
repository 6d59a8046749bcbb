#include "strata/bottleneck/channel.h"

#include <ATen/ATen.h>

#include <cmath>

#include "strata/base/error.h"
#include "strata/base/philox.h"

namespace strata {

ChannelBasis channel_basis(const at::Tensor& rows) {
  STRATA_CHECK(rows.size(0) >= 2);
  ChannelBasis basis;
  basis.mean = rows.mean(0);
  const at::Tensor centred = rows - basis.mean;
  const auto [values, vectors] =
      at::linalg_eigh(at::mm(centred.t(), centred) / static_cast<double>(rows.size(0)), "L");
  // Directions that no row has carry nothing; they must not divide by zero.
  basis.lambda = values.clamp_min(1e-6 * values.clamp_min(0.0).mean().item<double>());
  basis.vectors = vectors.contiguous();
  return basis;
}

std::vector<at::Tensor*> Channel::parameters() {
  return {&gain, &shift, &log_sigma, &log_prior, &w1, &c1, &w_mu, &w_sigma};
}

Channel gaussian_channel(const ChannelBasis& basis, double eps, std::int64_t hidden, std::uint64_t seed) {
  const std::int64_t d = basis.mean.size(0);
  constexpr std::uint32_t kPurpose = 0x626f74;  // keeps these numbers apart from other planted ones
  Channel channel;
  channel.gain = at::ones({d}, at::kDouble);
  channel.shift = at::zeros({d}, at::kDouble);
  channel.log_sigma = at::full({d}, std::log(eps), at::kDouble);
  channel.log_prior = 0.5 * (basis.lambda + eps * eps).log();
  channel.w1 = at::empty({hidden, d}, at::kDouble);
  Philox rng({.seed = seed, .stream = Stream::planted, .a = kPurpose});
  for (std::int64_t i = 0; i < hidden * d; ++i) {
    channel.w1.data_ptr<double>()[i] = rng.normal() / std::sqrt(static_cast<double>(d));
  }
  channel.c1 = at::zeros({hidden}, at::kDouble);
  channel.w_mu = at::zeros({d, hidden}, at::kDouble);
  channel.w_sigma = at::zeros({d, hidden}, at::kDouble);
  return channel;
}

Encoded encode(const Channel& channel, const ChannelBasis& basis, const at::Tensor& y, const at::Tensor& xi) {
  const at::Tensor t =
      at::tanh(at::addmm(channel.c1, y / basis.lambda.sqrt(), channel.w1.t()));  // (n, hidden)
  const at::Tensor mu = channel.gain * y + channel.shift + at::mm(t, channel.w_mu.t());
  const at::Tensor log_sigma = channel.log_sigma + at::mm(t, channel.w_sigma.t());
  const at::Tensor sigma = log_sigma.exp();
  const at::Tensor ratio = (sigma.square() + mu.square()) * (-2.0 * channel.log_prior).exp();
  return {mu + sigma * xi, (channel.log_prior - log_sigma + 0.5 * ratio - 0.5).sum(1)};
}

at::Tensor to_basis(const ChannelBasis& basis, const at::Tensor& rows) {
  return at::mm(rows - basis.mean, basis.vectors);
}

at::Tensor from_basis(const ChannelBasis& basis, const at::Tensor& rows) {
  return at::mm(rows, basis.vectors.t()) + basis.mean;
}

}  // namespace strata
