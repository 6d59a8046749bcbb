#include "strata/segmentation/locate.h"

#include <algorithm>
#include <cmath>

#include "strata/base/parallel.h"
#include "strata/segmentation/noise.h"
#include "strata/stats/ar1.h"
#include "strata/stats/partition.h"

namespace strata {
namespace {

constexpr std::uint32_t kResamples = 0, kLocateNoise = 1;  // field d of the stream key
constexpr double kLevel = 0.90;

// Share of the residual sum of squares that the documents explain.
double document_share(const Profile& profile, const FittedModel& model) {
  if (profile.deviations.empty() || model.sums.square <= 0.0) return 0.0;
  double sum = 0.0;
  for (const Matrix& deviation : profile.deviations) {
    // Only what the steps cannot absorb is part of the residual.
    sum += stats::residual_sums(deviation, stats::segment_means(deviation, model.edges)).square;
  }
  return std::min(1.0, sum / static_cast<double>(profile.deviations.size()) / model.sums.square);
}

}  // namespace

Interval central_interval(const std::vector<double>& histogram) {
  const double tail = 0.5 * (1.0 - kLevel) + 1e-12;
  std::size_t low = 0, high = histogram.size() - 1;
  for (double below = histogram[low]; below <= tail && low < high; below += histogram[low]) ++low;
  for (double above = histogram[high]; above <= tail && high > low; above += histogram[high]) --high;
  return {static_cast<double>(low + 1), static_cast<double>(high + 1)};
}

std::vector<EdgeEstimate> locate(const Models& models, const Profile& profile, const FittedModel& model,
                                 std::uint32_t detector, const SegmentationOptions& options) {
  const auto k = static_cast<std::uint32_t>(model.k);
  StreamKey key{.seed = options.seed, .stream = Stream::bootstrap, .a = detector, .b = k, .d = kLocateNoise};
  NoiseModel noise = estimate_noise(models, model, model, profile.y, key, options.threads);
  const double keep = std::sqrt(1.0 - document_share(profile, model));
  for (double& sd : noise.sd) sd *= keep;
  key.d = kResamples;
  std::vector<std::vector<int>> found(static_cast<std::size_t>(options.bootstraps));
  parallel_for(found.size(), options.threads, [&](std::size_t b) {
    StreamKey own = key;
    own.c = static_cast<std::uint32_t>(b);
    Matrix y = surrogate(model, noise, own);
    if (!profile.deviations.empty()) {
      const Matrix& deviation = profile.deviations[b % profile.deviations.size()];
      for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] += deviation.data[i];
    }
    found[b] = models.refit(model, y).edges;
  });
  std::vector<EdgeEstimate> estimates(model.edges.size());
  for (std::size_t j = 0; j < estimates.size(); ++j) {
    EdgeEstimate& estimate = estimates[j];
    estimate.edge = model.edges[j];
    estimate.histogram.assign(profile.y.rows - 1, 0.0);
    for (const auto& edges : found) {
      estimate.histogram[static_cast<std::size_t>(edges[j]) - 1] += 1.0 / static_cast<double>(found.size());
    }
    estimate.modal_share = estimate.histogram[static_cast<std::size_t>(estimate.edge) - 1];
    estimate.interval_90 = central_interval(estimate.histogram);
  }
  return estimates;
}

std::vector<double> k_stability(const Models& models, const Profile& profile, int threads) {
  if (profile.deviations.empty()) return {};
  std::vector<std::size_t> best(profile.deviations.size());
  parallel_for(best.size(), threads, [&](std::size_t r) {
    Matrix y = profile.y;
    for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] += profile.deviations[r].data[i];
    double smallest = models.best_smooth(y).bic;
    for (const auto& model : models.jumps(y, models.max_jumps())) {
      if (model.k == 0 || model.bic >= smallest)
        continue;  // no jump is the constant, one of the smooth models
      smallest = model.bic;
      best[r] = static_cast<std::size_t>(model.k);
    }
  });
  std::vector<double> shares(static_cast<std::size_t>(models.max_jumps()) + 1, 0.0);
  for (const std::size_t k : best) shares[k] += 1.0 / static_cast<double>(best.size());
  return shares;
}

}  // namespace strata
