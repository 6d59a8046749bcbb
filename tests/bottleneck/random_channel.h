// A channel with no parameter at 0, and what its gradient depends on.
#pragma once

#include "strata/base/philox.h"
#include "strata/bottleneck/channel.h"

namespace strata::test {

inline Matrix random_matrix(std::size_t rows, std::size_t cols, Philox& rng) {
  Matrix m(rows, cols);
  for (double& x : m.data) x = rng.normal();
  return m;
}

/// Eleven rows, five coordinates, three hidden units.
struct RandomChannel {
  static constexpr std::size_t kRows = 11, kWidth = 5, kHidden = 3;

  RandomChannel() {
    Philox rng({.seed = 9, .stream = Stream::test});
    Matrix u = random_matrix(kRows, kWidth, rng);
    for (std::size_t i = 0; i < kRows; ++i) u(i, 1) = 3.0 * u(i, 1) + u(i, 0) + 0.5;
    basis = channel_basis(u);
    y = to_basis(basis, u);
    xi = random_matrix(kRows, kWidth, rng);
    slope = random_matrix(kRows, kWidth, rng);
    channel = gaussian_channel(basis, 0.4, kHidden, 2);
    for (const ChannelParameter& p : channel.parameters()) {
      for (double& value : p.values) value += 0.3 * rng.normal();
    }
  }

  [[nodiscard]] ChannelGradient gradient() const {
    return encode_gradient(channel, basis, y, xi, encode(channel, basis, y), slope, beta);
  }

  ChannelBasis basis;
  Channel channel;
  Matrix y, xi, slope;
  double beta = 0.7;
};

}  // namespace strata::test
