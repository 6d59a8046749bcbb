#include "strata/segmentation/count.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/parallel.h"

namespace strata {
namespace {

constexpr std::uint32_t kSurrogates = 0, kNoise = 1;  // field d of the stream key

// By how much the best model with more than k jumps lowers the BIC of the model with k (k = 0: of the best
// smooth model).
double bic_gain(const Models& models, const Matrix& y, int k) {
  double null = k == 0 ? models.best_smooth(y).bic : 0.0;
  double best = std::numeric_limits<double>::infinity();
  for (const auto& model : models.jumps(y, models.max_jumps())) {
    if (k > 0 && model.k == k) null = model.bic;
    if (model.k > k) best = std::min(best, model.bic);
  }
  return null - best;
}

// The model with more than k jumps that has the smallest BIC.
const FittedModel& best_beyond(const std::vector<FittedModel>& jumps, int k) {
  return *std::min_element(jumps.begin() + k + 1, jumps.end(),
                           [](const FittedModel& a, const FittedModel& b) { return a.bic < b.bic; });
}

CountTest test_one_more(const Models& models, const Matrix& y, const FittedModel& null,
                        const FittedModel& probe, std::uint32_t detector,
                        const SegmentationOptions& options) {
  const int k = std::max(0, null.k);
  StreamKey key{
      .seed = options.seed, .stream = Stream::surrogate, .a = detector, .b = static_cast<std::uint32_t>(k)};
  key.d = kNoise;
  const NoiseModel noise = estimate_noise(models, null, probe, y, key, options.threads);
  key.d = kSurrogates;
  CountTest test;
  test.k_null = k;
  test.null_model = name_of(null);
  test.statistic = bic_gain(models, y, k);
  test.null_sample.resize(static_cast<std::size_t>(options.surrogates));
  parallel_for(test.null_sample.size(), options.threads, [&](std::size_t i) {
    StreamKey own = key;
    own.c = static_cast<std::uint32_t>(i);
    test.null_sample[i] = bic_gain(models, surrogate(null, noise, own), k);
  });
  const auto exceed = std::count_if(test.null_sample.begin(), test.null_sample.end(),
                                    [&](double x) { return x >= test.statistic; });
  std::sort(test.null_sample.begin(), test.null_sample.end());
  const auto n = static_cast<double>(test.null_sample.size());
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
    const FittedModel& probe = k > 0 ? best_beyond(jumps, k) : null;
    result.tests.push_back(test_one_more(models, y, null, probe, detector, options));
    if (result.tests.back().p_value > options.alpha) return result;
    result.selected_k = k + 1;
  }
  result.exhausted = true;
  return result;
}

}  // namespace strata
