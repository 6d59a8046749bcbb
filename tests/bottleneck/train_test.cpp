// The trained bottleneck against channels whose rate-distortion curve is known.
#include "strata/bottleneck/train.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

// u = Q y with y ~ N(0, diag lambda); distortion 1/2 (u' - u)^T Q diag(f) Q^T (u' - u) per token: what noise
// on the input of a linear network with Gaussian outputs costs.
class LinearGaussian {
 public:
  LinearGaussian(std::vector<double> lambda, std::vector<double> f, std::size_t windows, std::size_t tokens)
      : lambda_(std::move(lambda)), f_(std::move(f)) {
    const std::size_t d = lambda_.size();
    Philox rng({.seed = 4, .stream = Stream::test});
    Matrix random(d, d);
    for (double& r : random.data) r = rng.normal();
    const Matrix q = linalg::orthonormal_rows(random, 1e-6).value();  // Q^T
    Matrix weighted = q;
    for (std::size_t i = 0; i < d; ++i) {
      for (double& w : weighted.row(i)) w *= f_[i];
    }
    metric_ = linalg::transposed_multiply(q, weighted);
    for (std::size_t w = 0; w < windows; ++w) {
      Matrix y(tokens, d);
      for (std::size_t i = 0; i < tokens * d; ++i) y.data[i] = std::sqrt(lambda_[i % d]) * rng.normal();
      rows_.push_back(linalg::multiply(y, q));
    }
  }

  [[nodiscard]] FrozenDecoder decoder() const {
    return {.windows = rows_.size(),
            .rows = [this](std::size_t w) { return rows_[w]; },
            .distortion = [this](std::size_t w, const Matrix& u,
                                 Matrix* gradient) { return distortion(rows_[w], u, gradient); }};
  }
  [[nodiscard]] Matrix all_rows() const {
    Matrix all(0, lambda_.size());
    for (const Matrix& rows : rows_) {
      all.data.insert(all.data.end(), rows.data.begin(), rows.data.end());
      all.rows += rows.rows;
    }
    return all;
  }

  // The curve (Cover & Thomas, Elements of Information Theory, 10.3.3, with weights): at slope beta,
  // direction i keeps the error d_i = min(lambda_i, beta / f_i); R = sum 1/2 ln(lambda_i / d_i), D = sum 1/2
  // f_i d_i.
  [[nodiscard]] WindowResult known(double beta) const {
    WindowResult result;
    for (std::size_t i = 0; i < lambda_.size(); ++i) {
      const double d = std::min(lambda_[i], beta / f_[i]);
      result.rate_nats += 0.5 * std::log(lambda_[i] / d);
      result.distortion_nats += 0.5 * f_[i] * d;
    }
    return result;
  }
  // Distortion of the known curve at a rate, by bisection on beta.
  [[nodiscard]] double known_distortion(double rate) const {
    double lo = 1e-9, hi = 1e3;
    for (int i = 0; i < 200; ++i) {
      const double mid = std::sqrt(lo * hi);
      (known(mid).rate_nats > rate ? lo : hi) = mid;
    }
    return known(hi).distortion_nats;
  }

 private:
  [[nodiscard]] double distortion(const Matrix& clean, const Matrix& u, Matrix* gradient) const {
    const auto n = static_cast<double>(u.rows);
    Matrix off = u;
    for (std::size_t i = 0; i < off.data.size(); ++i) off.data[i] -= clean.data[i];
    Matrix pulled = linalg::multiply(off, metric_);
    double sum = 0.0;
    for (std::size_t i = 0; i < off.data.size(); ++i) sum += 0.5 * off.data[i] * pulled.data[i] / n;
    for (double& g : pulled.data) g /= n;
    if (gradient != nullptr) *gradient = std::move(pulled);
    return sum;
  }

  std::vector<double> lambda_, f_;
  Matrix metric_;
  std::vector<Matrix> rows_;
};

WindowResult mean_of(const LinearGaussian& toy, const ChannelBasis& basis, const Channel& channel,
                     std::size_t first, std::size_t last, const TrainOptions& options) {
  WindowResult mean;
  for (std::size_t w = first; w < last; ++w) {
    const WindowResult r = evaluate_channel(toy.decoder(), basis, channel, w, options);
    mean.rate_nats += r.rate_nats / static_cast<double>(last - first);
    mean.distortion_nats += r.distortion_nats / static_cast<double>(last - first);
  }
  return mean;
}

// Trained on half of the windows and judged on the other: on the known curve within 5%, at low and at high
// rate, and better than the Gaussian channel that it starts from.
TEST(Bottleneck, ReachesTheKnownCurveOfALinearGaussianChannel) {
  const LinearGaussian toy({4.0, 2.0, 1.0, 0.5, 0.1, 0.02}, {1.0, 0.2, 3.0, 0.5, 2.0, 1.0}, 16, 512);
  const ChannelBasis basis = channel_basis(toy.all_rows());
  const std::vector<std::size_t> train{0, 1, 2, 3, 4, 5, 6, 7};
  for (const double beta : {0.02, 0.1, 0.4}) {
    TrainOptions options{.beta = beta, .eps = 0.3, .steps = 400, .rate = 0.05, .hidden = 8, .seed = 1};
    const Channel channel = train_channel(toy.decoder(), basis, train, options);
    const WindowResult reached = mean_of(toy, basis, channel, 8, 16, options);
    const double bound = toy.known_distortion(reached.rate_nats);
    EXPECT_GT(reached.rate_nats, 0.3) << beta;
    EXPECT_LT(reached.distortion_nats, 1.05 * bound) << beta;
    EXPECT_GT(reached.distortion_nats, 0.95 * bound) << beta;
    EXPECT_NEAR(reached.rate_nats, toy.known(beta).rate_nats, 0.1 * toy.known(beta).rate_nats) << beta;
    const WindowResult start = mean_of(toy, basis, gaussian_channel(basis, 0.3, 8, 1), 8, 16, options);
    const double at_start = start.distortion_nats + beta * start.rate_nats;
    EXPECT_LT(reached.distortion_nats + beta * reached.rate_nats, 0.97 * at_start) << beta;
  }
}

// z = y + eps xi with its prior: R = 1/2 sum ln(1 + lambda / eps^2) on average, D = 1/2 eps^2 sum f.
TEST(Bottleneck, TheGaussianChannelItStartsFrom) {
  const LinearGaussian toy({4.0, 1.0, 0.25}, {1.0, 2.0, 3.0}, 16, 512);
  const ChannelBasis basis = channel_basis(toy.all_rows());
  const double eps = 0.5;
  const TrainOptions options{.beta = 1, .eps = eps, .draws = 8};
  const WindowResult result = mean_of(toy, basis, gaussian_channel(basis, eps, 4, 0), 0, 16, options);
  double rate = 0.0;
  for (const double lambda : basis.lambda) rate += 0.5 * std::log1p(lambda / (eps * eps));
  EXPECT_NEAR(result.rate_nats, rate, 1e-9);  // the basis is that of all rows, so on average it is exact
  EXPECT_NEAR(result.distortion_nats, 0.5 * eps * eps * 6.0, 0.02 * 0.5 * eps * eps * 6.0);
}

// Beyond a price that no information is worth, nothing passes: R falls to 0 and D to that of the mean.
TEST(Bottleneck, AtAHighPriceNothingPasses) {
  const LinearGaussian toy({1.0, 0.5}, {1.0, 1.0}, 8, 256);
  const ChannelBasis basis = channel_basis(toy.all_rows());
  const TrainOptions options{.beta = 20.0, .eps = 1.0, .steps = 300, .hidden = 0};
  const Channel channel = train_channel(toy.decoder(), basis, {0, 1, 2, 3}, options);
  const WindowResult result = mean_of(toy, basis, channel, 4, 8, options);
  EXPECT_LT(result.rate_nats, 0.02);
  EXPECT_NEAR(result.distortion_nats, 0.75, 0.08);
}

TEST(Bottleneck, SameSeedSameBits) {
  const LinearGaussian toy({1.0, 0.5}, {1.0, 2.0}, 4, 64);
  const ChannelBasis basis = channel_basis(toy.all_rows());
  TrainOptions options{.beta = 0.1, .eps = 0.3, .steps = 20, .hidden = 4};
  const Channel a = train_channel(toy.decoder(), basis, {0, 1, 2}, options);
  const Channel b = train_channel(toy.decoder(), basis, {0, 1, 2}, options);
  EXPECT_EQ(a.gain, b.gain);
  EXPECT_EQ(a.w_mu, b.w_mu);
  EXPECT_NE(a.w_mu, Matrix(2, 4));  // the hidden layer takes part
  options.seed = 1;
  EXPECT_NE(a.gain, train_channel(toy.decoder(), basis, {0, 1, 2}, options).gain);
}

// Adam's first step has the full step size whatever the gradient, in matrices a tenth. The output weights
// start at 0, so that nothing pulls at the input weights yet.
TEST(Bottleneck, FirstStepIsOfTheStepSize) {
  const LinearGaussian toy({1.0, 0.5}, {1.0, 2.0}, 4, 64);
  const ChannelBasis basis = channel_basis(toy.all_rows());
  const TrainOptions options{.beta = 0.1, .eps = 0.3, .steps = 1, .rate = 0.05, .hidden = 4};
  Channel before = gaussian_channel(basis, options.eps, options.hidden, options.seed);
  Channel after = train_channel(toy.decoder(), basis, {0, 1, 2}, options);
  const auto from = before.parameters(), to = after.parameters();
  for (std::size_t p = 0; p < from.size(); ++p) {
    SCOPED_TRACE(p);
    const bool still = p == 4 || p == 5;  // w1, c1
    const double size = still ? 0.0 : from[p].is_matrix ? 0.005 : 0.05;
    for (std::size_t i = 0; i < from[p].values.size(); ++i) {
      EXPECT_NEAR(std::abs(to[p].values[i] - from[p].values[i]), size, 1e-9);
    }
  }
}

}  // namespace
}  // namespace strata
