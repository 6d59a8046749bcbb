#include "strata/bottleneck/train.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "strata/base/error.h"
#include "strata/base/philox.h"

namespace strata {
namespace {

enum Purpose : std::uint32_t { kTraining = 0x7472, kEvaluation = 0x6576, kOrder = 0x6f72 };

at::Tensor normals(std::uint64_t seed, Purpose purpose, std::uint32_t a, std::uint32_t b,
                   at::IntArrayRef size) {
  at::Tensor xi = at::empty(size, at::kDouble);
  Philox rng({.seed = seed, .stream = Stream::noise, .a = purpose, .b = a, .c = b});
  for (std::int64_t i = 0; i < xi.numel(); ++i) xi.data_ptr<double>()[i] = rng.normal();
  return xi;
}

class Adam {
 public:
  Adam(std::vector<at::Tensor*> parameters, double rate) : parameters_(std::move(parameters)), rate_(rate) {
    for (at::Tensor* p : parameters_) {
      p->requires_grad_(true);
      first_.push_back(at::zeros_like(*p));
      second_.push_back(at::zeros_like(*p));
    }
  }

  // `share` of the step size for vectors; matrices, which meet every coordinate at once, take a tenth.
  void step(double share) {
    constexpr double kFirst = 0.9, kSecond = 0.99, kSmall = 1e-12;
    const at::NoGradGuard no_grad;
    ++steps_;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      at::Tensor& p = *parameters_[i];
      const at::Tensor g = p.grad();
      if (!g.defined() || p.numel() == 0) continue;
      first_[i].mul_(kFirst).add_(g, 1.0 - kFirst);
      second_[i].mul_(kSecond).addcmul_(g, g, 1.0 - kSecond);
      const at::Tensor m = first_[i] / (1.0 - std::pow(kFirst, steps_));
      const at::Tensor v = second_[i] / (1.0 - std::pow(kSecond, steps_));
      p.sub_(m / (v.sqrt() + kSmall), share * rate_ * (p.dim() == 1 ? 1.0 : 0.1));
      p.mutable_grad().reset();
    }
  }

  void release() {
    for (at::Tensor* p : parameters_) p->requires_grad_(false);
  }

 private:
  std::vector<at::Tensor*> parameters_;
  std::vector<at::Tensor> first_, second_;
  double rate_;
  int steps_ = 0;
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
  Adam adam(channel.parameters(), options.rate);
  Batches batches(train, options.seed);
  const std::size_t batch = std::min(options.batch, train.size());
  for (int step = 0; step < options.steps; ++step) {
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t window = batches.next();
      const at::Tensor y = to_basis(basis, decoder.rows(window));
      const at::Tensor xi = normals(options.seed, kTraining, static_cast<std::uint32_t>(step),
                                    static_cast<std::uint32_t>(window), y.sizes());
      const at::AutoGradMode with_gradients(true);
      const Encoded encoded = encode(channel, basis, y, xi);
      at::Tensor gradient;
      {
        const at::NoGradGuard no_grad;
        (void)decoder.distortion(window, from_basis(basis, encoded.z), &gradient);
        gradient = at::mm(gradient, basis.vectors);
      }
      // d(D + beta R) by the chain rule: the decoder's gradient enters as a constant.
      const at::Tensor loss = (encoded.z * gradient).sum() + options.beta * encoded.rate.mean();
      (loss / static_cast<double>(batch)).backward();
    }
    const double phase = static_cast<double>(step) / static_cast<double>(options.steps);
    adam.step(0.5 * (1.0 + std::cos(std::numbers::pi * phase)));
  }
  adam.release();
  return channel;
}

WindowResult evaluate_channel(const FrozenDecoder& decoder, const ChannelBasis& basis, const Channel& channel,
                              std::size_t window, const TrainOptions& options) {
  STRATA_CHECK(options.draws > 0);
  const at::NoGradGuard no_grad;
  const at::Tensor y = to_basis(basis, decoder.rows(window));
  WindowResult result;
  for (int draw = 0; draw < options.draws; ++draw) {
    const at::Tensor xi = normals(options.seed, kEvaluation, static_cast<std::uint32_t>(draw),
                                  static_cast<std::uint32_t>(window), y.sizes());
    for (const double sign : {1.0, -1.0}) {
      const Encoded encoded = encode(channel, basis, y, sign * xi);
      result.rate_nats = encoded.rate.mean().item<double>();  // does not depend on the noise
      result.distortion_nats += decoder.distortion(window, from_basis(basis, encoded.z), nullptr) /
                                (2.0 * static_cast<double>(options.draws));
    }
  }
  return result;
}

}  // namespace strata
