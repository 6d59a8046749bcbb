#include "strata/stats/labelings.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/base/error.h"

namespace strata::stats {

std::int64_t labelings(std::size_t n, std::size_t chosen) {
  STRATA_CHECK(chosen <= n);
  double count = 1.0;
  const std::size_t few = std::min(chosen, n - chosen);
  for (std::size_t i = 1; i <= few; ++i)
    count = std::round(count * static_cast<double>(n - few + i) / static_cast<double>(i));
  constexpr double kMost = 9e18;
  return count < kMost ? static_cast<std::int64_t>(count) : std::numeric_limits<std::int64_t>::max();
}

PermutationTest permute_labels(const std::vector<bool>& observed, const LabelStatistic& statistic,
                               std::int64_t most, bool two_sided, Philox& rng) {
  STRATA_CHECK(most > 0);
  const std::size_t n = observed.size();
  const auto chosen = static_cast<std::size_t>(std::count(observed.begin(), observed.end(), true));
  const std::int64_t all = labelings(n, chosen);
  const double seen = statistic(observed);
  const double enough = seen - 1e-9 * std::max(1.0, std::fabs(seen));
  PermutationTest test;
  test.exhaustive = all <= most;
  std::int64_t extreme = 0;
  if (test.exhaustive) {
    std::vector<bool> labels(n, false);
    std::fill(labels.end() - static_cast<std::ptrdiff_t>(chosen), labels.end(), true);  // the first in order
    do {
      ++test.tried;
      if (statistic(labels) >= enough) ++extreme;
    } while (std::next_permutation(labels.begin(), labels.end()));
  } else {
    test.tried = most;
    extreme = 1;  // the observed one
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    for (std::int64_t i = 1; i < most; ++i) {
      shuffle(order, rng);
      std::vector<bool> labels(n, false);
      for (std::size_t k = 0; k < chosen; ++k) labels[order[k]] = true;
      if (statistic(labels) >= enough) ++extreme;
    }
  }
  const double twins = two_sided && test.exhaustive && 2 * chosen == n ? 2.0 : 1.0;
  test.smallest_p = std::min(1.0, twins / static_cast<double>(test.tried));
  test.p_value = static_cast<double>(extreme) / static_cast<double>(test.tried);
  return test;
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!std::isnan(p_values[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.begin(), p_values.end());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(order.size() - rank) * p_values[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace strata::stats
