// Spearman's rank correlation.
#pragma once

#include <span>

namespace strata::stats {

/// Correlation of the ranks of x and y, ties with their mean rank. NaN below three pairs, and where x or y is
/// constant. Equal lengths, no NaN.
[[nodiscard]] double rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace strata::stats
