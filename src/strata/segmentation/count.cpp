#include "strata/segmentation/count.h"

#include <algorithm>
#include <cmath>

#include "strata/base/parallel.h"

namespace strata {
namespace {

constexpr std::uint32_t kSurrogates = 0, kNoise = 1;  // field d of the stream key

// Gains in log likelihood of 1..K_max jumps over the best smooth model.
std::vector<double> gains_over_smooth(const Models& models, const Matrix& y) {
  const double smooth = models.best_smooth(y).log_likelihood;
  std::vector<double> gains;
  for (const auto& model : models.jumps(y, models.max_jumps())) {
    if (model.k > 0) gains.push_back(2.0 * (model.log_likelihood - smooth));
  }
  return gains;
}

// Gain of k + 1 jumps over k.
std::vector<double> gain_of_one_more(const Models& models, const Matrix& y, int k) {
  const auto fits = models.jumps(y, k + 1);
  const auto at = static_cast<std::size_t>(k);
  return {2.0 * (fits[at + 1].log_likelihood - fits[at].log_likelihood)};
}

std::vector<double> gains_against(const Models& models, const Matrix& y, int k) {
  return k == 0 ? gains_over_smooth(models, y) : gain_of_one_more(models, y, k);
}

// Largest gain in units of the surrogates' own spread, so that no number of jumps has a head start.
struct Standard {
  std::vector<double> mean, sd;

  explicit Standard(const std::vector<std::vector<double>>& sample) {
    const std::size_t count = sample.front().size();
    mean.assign(count, 0.0);
    sd.assign(count, 0.0);
    const auto n = static_cast<double>(sample.size());
    for (const auto& gains : sample) {
      for (std::size_t i = 0; i < count; ++i) mean[i] += gains[i] / n;
    }
    for (const auto& gains : sample) {
      for (std::size_t i = 0; i < count; ++i) sd[i] += (gains[i] - mean[i]) * (gains[i] - mean[i]) / n;
    }
    for (double& x : sd) x = std::sqrt(x);
  }

  [[nodiscard]] double largest(const std::vector<double>& gains) const {
    double best = -INFINITY;
    for (std::size_t i = 0; i < gains.size(); ++i) {
      const double spread = std::max(sd[i], 1e-9 * (1.0 + std::abs(mean[i])));
      best = std::max(best, (gains[i] - mean[i]) / spread);
    }
    return best;
  }
};

CountTest test_one_more(const Models& models, const Matrix& y, const FittedModel& null,
                        std::uint32_t detector, const SegmentationOptions& options) {
  const int k = std::max(0, null.k);
  StreamKey key{
      .seed = options.seed, .stream = Stream::surrogate, .a = detector, .b = static_cast<std::uint32_t>(k)};
  key.d = kNoise;
  const NoiseModel noise = estimate_noise(models, null, y, key, options.threads);
  key.d = kSurrogates;
  std::vector<std::vector<double>> sample(static_cast<std::size_t>(options.surrogates));
  parallel_for(sample.size(), options.threads, [&](std::size_t i) {
    StreamKey own = key;
    own.c = static_cast<std::uint32_t>(i);
    sample[i] = gains_against(models, surrogate(null, noise, own), k);
  });
  const Standard standard(sample);
  CountTest test;
  test.k_null = k;
  test.null_model = name_of(null);
  test.statistic = standard.largest(gains_against(models, y, k));
  std::size_t exceed = 0;
  for (const auto& gains : sample) {
    test.null_sample.push_back(standard.largest(gains));
    if (test.null_sample.back() >= test.statistic) ++exceed;
  }
  std::sort(test.null_sample.begin(), test.null_sample.end());
  const auto n = static_cast<double>(sample.size());
  test.p_value = (1.0 + static_cast<double>(exceed)) / (1.0 + n);
  test.p_mc_error = std::sqrt(test.p_value * (1.0 - test.p_value) / (1.0 + n));
  return test;
}

}  // namespace

CountResult count_boundaries(const Models& models, const Matrix& y, std::uint32_t detector,
                             const SegmentationOptions& options) {
  CountResult result;
  const auto jumps = models.jumps(y, models.max_jumps());
  FittedModel null = models.best_smooth(y);
  for (int k = 0; k < models.max_jumps(); ++k) {
    if (k > 0) null = jumps[static_cast<std::size_t>(k)];
    result.tests.push_back(test_one_more(models, y, null, detector, options));
    if (result.tests.back().p_value > options.alpha) return result;
    result.selected_k = k + 1;
  }
  result.exhausted = true;
  return result;
}

}  // namespace strata
