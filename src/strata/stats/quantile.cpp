#include "strata/stats/quantile.h"

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"

namespace strata::stats {

double quantile(std::span<const double> sample, double p) {
  STRATA_CHECK(!sample.empty() && p >= 0.0 && p <= 1.0);
  std::vector<double> sorted(sample.begin(), sample.end());
  for (const double x : sorted) STRATA_CHECK(!std::isnan(x));
  std::sort(sorted.begin(), sorted.end());
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double median(std::span<const double> sample) {
  return quantile(sample, 0.5);
}

double median_absolute_deviation(std::span<const double> sample) {
  const double centre = median(sample);
  std::vector<double> deviation;
  deviation.reserve(sample.size());
  for (const double x : sample) deviation.push_back(std::abs(x - centre));
  return median(deviation);
}

}  // namespace strata::stats
