#include "strata/bottleneck/train.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

enum Purpose : std::uint32_t { kTraining = 0x7472, kEvaluation = 0x6576, kOrder = 0x6f72 };

Matrix normals(std::uint64_t seed, Purpose purpose, std::uint32_t a, std::uint32_t b, std::size_t rows,
               std::size_t cols) {
  Matrix xi(rows, cols);
  Philox rng({.seed = seed, .stream = Stream::noise, .a = purpose, .b = a, .c = b});
  for (double& x : xi.data) x = rng.normal();
  return xi;
}

Channel zeros_like(Channel channel) {
  for (const ChannelParameter& p : channel.parameters()) std::ranges::fill(p.values, 0.0);
  return channel;
}

// Adds gradients up and moves the channel against their mean.
class Adam {
 public:
  Adam(const Channel& channel, double rate)
      : rate_(rate), sum_(zeros_like(channel)), first_(sum_), second_(sum_) {}

  void add(ChannelGradient gradient) {
    const auto from = gradient.parameters(), to = sum_.parameters();
    for (std::size_t p = 0; p < to.size(); ++p) {
      for (std::size_t i = 0; i < to[p].values.size(); ++i) to[p].values[i] += from[p].values[i];
    }
    ++added_;
  }

  // `share` of the step size for vectors; matrices, which meet every coordinate at once, take a tenth.
  void step(Channel& channel, double share) {
    constexpr double kFirst = 0.9, kSecond = 0.99, kSmall = 1e-12;
    ++steps_;
    const double m_scale = 1.0 - std::pow(kFirst, steps_), v_scale = 1.0 - std::pow(kSecond, steps_);
    const auto parameters = channel.parameters(), sums = sum_.parameters();
    const auto firsts = first_.parameters(), seconds = second_.parameters();
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const double size = share * rate_ * (parameters[p].is_matrix ? 0.1 : 1.0);
      for (std::size_t i = 0; i < parameters[p].values.size(); ++i) {
        const double g = std::exchange(sums[p].values[i], 0.0) / added_;
        double &m = firsts[p].values[i], &v = seconds[p].values[i];
        m = kFirst * m + (1.0 - kFirst) * g;
        v = kSecond * v + (1.0 - kSecond) * g * g;
        parameters[p].values[i] -= size * (m / m_scale) / (std::sqrt(v / v_scale) + kSmall);
      }
    }
    added_ = 0;
  }

 private:
  double rate_;
  Channel sum_, first_, second_;
  int added_ = 0, steps_ = 0;
};

// The windows in a new seeded order for every round through them.
class Batches {
 public:
  Batches(const std::vector<std::size_t>& windows, std::uint64_t seed) : windows_(windows), seed_(seed) {}

  std::size_t next() {
    if (at_ == order_.size()) {
      order_.resize(windows_.size());
      std::iota(order_.begin(), order_.end(), 0u);
      Philox rng({.seed = seed_, .stream = Stream::noise, .a = kOrder, .b = round_++});
      shuffle(order_, rng);
      at_ = 0;
    }
    return windows_[order_[at_++]];
  }

 private:
  const std::vector<std::size_t>& windows_;
  std::uint64_t seed_;
  std::vector<std::uint32_t> order_;
  std::size_t at_ = 0;
  std::uint32_t round_ = 0;
};

}  // namespace

Channel train_channel(const FrozenDecoder& decoder, const ChannelBasis& basis,
                      const std::vector<std::size_t>& train, const TrainOptions& options) {
  STRATA_CHECK(!train.empty() && options.beta > 0.0 && options.eps > 0.0 && options.steps > 0);
  Channel channel = gaussian_channel(basis, options.eps, options.hidden, options.seed);
  Adam adam(channel, options.rate);
  Batches batches(train, options.seed);
  const std::size_t batch = std::min(options.batch, train.size());
  Matrix slope;
  for (int step = 0; step < options.steps; ++step) {
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t window = batches.next();
      const Matrix y = to_basis(basis, decoder.rows(window));
      const Matrix xi = normals(options.seed, kTraining, static_cast<std::uint32_t>(step),
                                static_cast<std::uint32_t>(window), y.rows, y.cols);
      Encoded encoded = encode(channel, basis, y);
      (void)decoder.distortion(window, from_basis(basis, draw(encoded, xi)), &slope);
      slope = linalg::multiply(slope, basis.vectors);
      adam.add(encode_gradient(channel, basis, y, xi, std::move(encoded), slope, options.beta));
    }
    const double phase = static_cast<double>(step) / static_cast<double>(options.steps);
    adam.step(channel, 0.5 * (1.0 + std::cos(std::numbers::pi * phase)));
  }
  return channel;
}

WindowResult evaluate_channel(const FrozenDecoder& decoder, const ChannelBasis& basis, const Channel& channel,
                              std::size_t window, const TrainOptions& options) {
  STRATA_CHECK(options.draws > 0);
  const Encoded encoded = encode(channel, basis, to_basis(basis, decoder.rows(window)));
  WindowResult result{.rate_nats = encoded.mean_rate()};
  for (int i = 0; i < options.draws; ++i) {
    const Matrix xi = normals(options.seed, kEvaluation, static_cast<std::uint32_t>(i),
                              static_cast<std::uint32_t>(window), encoded.mu.rows, encoded.mu.cols);
    for (const double sign : {1.0, -1.0}) {
      const Matrix u = from_basis(basis, draw(encoded, xi, sign));
      result.distortion_nats +=
          decoder.distortion(window, u, nullptr) / (2.0 * static_cast<double>(options.draws));
    }
  }
  return result;
}

}  // namespace strata
