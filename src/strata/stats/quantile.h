// Order statistics of small samples.
#pragma once

#include <span>
#include <vector>

namespace strata::stats {

/// Quantile by linear interpolation between order statistics (Hyndman and Fan type 7), p in [0, 1].
/// The sample must be non-empty and free of NaN.
[[nodiscard]] double quantile(std::span<const double> sample, double p);
[[nodiscard]] double median(std::span<const double> sample);
/// Median absolute deviation from the median, without any consistency factor.
[[nodiscard]] double median_absolute_deviation(std::span<const double> sample);

}  // namespace strata::stats
