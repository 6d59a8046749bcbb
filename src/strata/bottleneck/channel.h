// A Gaussian bottleneck on a state: what may pass is z ~ q(z | u), and it costs KL(q || prior) nats.
//
// Everything lives in the eigenbasis of the covariance of u = h / rms(h): y = V^T (u - mean), whose
// coordinates are uncorrelated, so that a diagonal prior loses nothing on Gaussian u.
//
// Sizes: n rows (tokens), d coordinates, k hidden units.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// Mean and eigenbasis of u over a sample.
struct ChannelBasis {
  std::vector<double> mean;    // (d)
  Matrix vectors;              // (d, d): V, eigenvectors as columns
  std::vector<double> lambda;  // (d): eigenvalues, not below a millionth of their mean
};

/// From rows u (n, d), n >= 2.
[[nodiscard]] ChannelBasis channel_basis(Matrix rows);

struct ChannelParameter {
  std::span<double> values;
  bool is_matrix = false;
};

/// Encoder q(z | u) = N(mu(y), diag sigma(y)^2) and prior N(0, diag prior^2), z in the eigenbasis:
///   t = tanh(w1 (y / sqrt(lambda)) + c1),  mu = gain y + shift + w_mu t,  ln sigma = log_sigma + w_sigma t
/// With w_mu = w_sigma = 0 it is the linear channel, which is optimal for Gaussian u and quadratic
/// distortion.
struct Channel {
  std::vector<double> gain, shift, log_sigma, log_prior;  // (d)
  Matrix w1;                                              // (k, d)
  std::vector<double> c1;                                 // (k)
  Matrix w_mu, w_sigma;                                   // (d, k)

  /// All of them, in a fixed order.
  [[nodiscard]] std::array<ChannelParameter, 8> parameters();
};

/// The derivative of a number with respect to each parameter, in the shape of the parameter.
using ChannelGradient = Channel;

/// The plain Gaussian channel z = y + eps xi with the prior that suits it, N(0, lambda + eps^2). The hidden
/// layer has `hidden` units with random input weights keyed by `seed` and output weights 0.
[[nodiscard]] Channel gaussian_channel(const ChannelBasis& basis, double eps, std::size_t hidden,
                                       std::uint64_t seed);

/// q(z | u) of n rows.
struct Encoded {
  Matrix t;                  // (n, k): the hidden layer
  Matrix mu, sigma;          // (n, d)
  std::vector<double> rate;  // (n): KL(q(z | u) || prior), nats per token, in closed form

  [[nodiscard]] double mean_rate() const;
};

/// For coordinates `y` (n, d).
[[nodiscard]] Encoded encode(const Channel& channel, const ChannelBasis& basis, const Matrix& y);

/// z = mu + sign sigma xi (n, d), in the eigenbasis, from standard normals `xi` (n, d).
[[nodiscard]] Matrix draw(const Encoded& encoded, const Matrix& xi, double sign = 1.0);

/// Gradient of the loss D(z) + beta R in nats, where z = draw(encoded, xi), R = encoded.mean_rate() and
/// `slope` (n, d) is dD/dz. The derivation is at the definition.
[[nodiscard]] ChannelGradient encode_gradient(const Channel& channel, const ChannelBasis& basis,
                                              const Matrix& y, const Matrix& xi, Encoded encoded,
                                              const Matrix& slope, double beta);

/// y = V^T (u - mean) of rows u (n, d), and back: u of rows z (n, d).
[[nodiscard]] Matrix to_basis(const ChannelBasis& basis, Matrix rows);
[[nodiscard]] Matrix from_basis(const ChannelBasis& basis, const Matrix& rows);

}  // namespace strata
