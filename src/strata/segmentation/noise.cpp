#include "strata/segmentation/noise.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/parallel.h"

namespace strata {
namespace {

constexpr std::array kRhoGrid = {-0.4, -0.2, 0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.88, 0.94, 0.98};
constexpr std::size_t kDraws = 60;  // per value of rho, the same random numbers for each

// Root mean square of each residual column.
std::vector<double> column_sd(const FittedModel& model, const Matrix& y) {
  std::vector<double> sd(y.cols, 0.0);
  for (std::size_t t = 0; t < y.rows; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) {
      const double r = y(t, j) - model.fitted(t, j);
      sd[j] += r * r;
    }
  }
  for (double& x : sd) x = std::sqrt(x / static_cast<double>(y.rows));
  return sd;
}

struct Expected {
  double ratio = 0.0;   // sum of lag products / sum of squares
  double square = 0.0;  // mean sum of squares
};

}  // namespace

Matrix surrogate(const FittedModel& model, const NoiseModel& noise, const StreamKey& key) {
  Philox rng(key);
  Matrix y(model.fitted.rows, model.fitted.cols);
  stats::fill_ar1(y, noise.rho, noise.sd, rng);
  for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] += model.fitted.data[i];
  return y;
}

NoiseModel estimate_noise(const Models& models, const FittedModel& model, const FittedModel& probe,
                          const Matrix& y, const StreamKey& key, int threads) {
  NoiseModel noise{0.0, column_sd(probe, y)};
  if (probe.sums.square <= 0.0) return noise;
  std::vector<stats::ResidualSums> draws(kRhoGrid.size() * kDraws);
  parallel_for(draws.size(), threads, [&](std::size_t i) {
    StreamKey draw = key;
    draw.c = static_cast<std::uint32_t>(i % kDraws);
    const NoiseModel trial{kRhoGrid[i / kDraws], noise.sd};
    draws[i] = models.refit(probe, surrogate(model, trial, draw)).sums;
  });
  std::array<Expected, kRhoGrid.size()> expected;
  for (std::size_t g = 0; g < kRhoGrid.size(); ++g) {
    double lag = 0.0, square = 0.0;
    for (std::size_t d = 0; d < kDraws; ++d) {
      lag += draws[g * kDraws + d].lag;
      square += draws[g * kDraws + d].square;
    }
    expected[g] = {lag / square, square / static_cast<double>(kDraws)};
    if (g > 0) expected[g].ratio = std::max(expected[g].ratio, expected[g - 1].ratio);
  }
  const double observed = probe.sums.lag / probe.sums.square;
  std::size_t high = 1;
  while (high + 1 < kRhoGrid.size() && expected[high].ratio < observed) ++high;
  const Expected &a = expected[high - 1], &b = expected[high];
  const double share =
      b.ratio > a.ratio ? std::clamp((observed - a.ratio) / (b.ratio - a.ratio), 0.0, 1.0) : 1.0;
  noise.rho = kRhoGrid[high - 1] + share * (kRhoGrid[high] - kRhoGrid[high - 1]);
  const double square = a.square + share * (b.square - a.square);
  for (double& sd : noise.sd) sd *= std::sqrt(probe.sums.square / square);
  return noise;
}

}  // namespace strata
