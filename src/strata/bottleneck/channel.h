// A Gaussian bottleneck on a state: what may pass is z ~ q(z | u), and it costs KL(q || prior) nats.
//
// Everything lives in the eigenbasis of the covariance of u = h / rms(h): y = V^T (u - mean), whose
// coordinates are uncorrelated, so that a diagonal prior loses nothing on Gaussian u.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace strata {

/// Mean and eigenbasis of u over a sample.
struct ChannelBasis {
  at::Tensor mean;     // (d), float64
  at::Tensor vectors;  // (d, d), float64: V, eigenvectors as columns
  at::Tensor lambda;   // (d), float64: eigenvalues, not below a millionth of their mean
};

/// From rows u (n, d), float64, n >= 2.
[[nodiscard]] ChannelBasis channel_basis(const at::Tensor& rows);

/// Encoder q(z | u) = N(mu(y), diag sigma(y)^2) and prior N(0, diag prior^2), z in the eigenbasis, all
/// float64:
///   t = tanh(w1 (y / sqrt(lambda)) + c1),  mu = gain y + shift + w_mu t,  ln sigma = log_sigma + w_sigma t
/// With w_mu = w_sigma = 0 it is the linear channel, which is optimal for Gaussian u and quadratic
/// distortion.
struct Channel {
  at::Tensor gain, shift, log_sigma, log_prior;  // (d)
  at::Tensor w1, c1;                             // (k, d), (k)
  at::Tensor w_mu, w_sigma;                      // (d, k)

  /// All of them, in a fixed order.
  [[nodiscard]] std::vector<at::Tensor*> parameters();
};

/// The plain Gaussian channel z = y + eps xi with the prior that suits it, N(0, lambda + eps^2). The hidden
/// layer has `hidden` units with random input weights keyed by `seed` and output weights 0.
[[nodiscard]] Channel gaussian_channel(const ChannelBasis& basis, double eps, std::int64_t hidden,
                                       std::uint64_t seed);

struct Encoded {
  at::Tensor z;     // (n, d), in the eigenbasis
  at::Tensor rate;  // (n): KL(q(z | u) || prior), nats per token, in closed form
};

/// Draws z with standard normals `xi` (n, d) for coordinates `y` (n, d). Differentiable where gradients are
/// on.
[[nodiscard]] Encoded encode(const Channel& channel, const ChannelBasis& basis, const at::Tensor& y,
                             const at::Tensor& xi);

/// y = V^T (u - mean) of rows u (n, d), and back: u of rows z (n, d).
[[nodiscard]] at::Tensor to_basis(const ChannelBasis& basis, const at::Tensor& rows);
[[nodiscard]] at::Tensor from_basis(const ChannelBasis& basis, const at::Tensor& rows);

}  // namespace strata
