// Training of a bottleneck against a frozen decoder, for one exchange rate beta.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "strata/bottleneck/channel.h"

namespace strata {

/// What lies behind the channel. Windows 0..windows-1, each (tokens, d).
struct FrozenDecoder {
  std::size_t windows = 0;
  /// u of a window's tokens that go through the channel, in the order of the text.
  std::function<Matrix(std::size_t window)> rows;
  /// Mean distortion of a window, nats per token, when its rows are replaced by `u` (tokens, d); writes the
  /// gradient with respect to u into `gradient` where it is not null.
  std::function<double(std::size_t window, const Matrix& u, Matrix* gradient)> distortion;
};

struct TrainOptions {
  double beta = 0.0;        ///< weight of the rate in D + beta R
  double eps = 0.0;         ///< noise of the Gaussian channel that training starts from
  int steps = 150;          ///< Adam, step size `rate`, falling to 0 as a cosine
  double rate = 0.05;       ///< of logarithms and gains; a tenth of it for the hidden layer
  std::size_t batch = 4;    ///< windows in a step, in a seeded order
  std::size_t hidden = 32;  ///< units of the hidden layer; 0 trains the linear channel
  int draws = 4;            ///< antithetic pairs of noise when a window is evaluated
  std::uint64_t seed = 0;
};

/// Mean over the window's tokens, nats per token.
struct WindowResult {
  double rate_nats = 0.0;
  double distortion_nats = 0.0;
};

/// Minimises mean D + beta R over the windows `train` and returns the channel. Deterministic: one thread,
/// random numbers keyed by step and window. (Adam: Kingma & Ba, ICLR 2015.)
[[nodiscard]] Channel train_channel(const FrozenDecoder& decoder, const ChannelBasis& basis,
                                    const std::vector<std::size_t>& train, const TrainOptions& options);

/// The channel on one window, averaged over options.draws antithetic pairs.
[[nodiscard]] WindowResult evaluate_channel(const FrozenDecoder& decoder, const ChannelBasis& basis,
                                            const Channel& channel, std::size_t window,
                                            const TrainOptions& options);

}  // namespace strata
