#include "strata/stats/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "strata/base/error.h"

namespace strata::stats {
namespace {

// Twice the rank, from 0 and centred: exact integers, ties included.
std::vector<double> centred_ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> ranks(x.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && x[order[end]] == x[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i)
      ranks[order[i]] = static_cast<double>(begin + end) - static_cast<double>(x.size());
  }
  return ranks;
}

}  // namespace

double rank_correlation(std::span<const double> x, std::span<const double> y) {
  STRATA_CHECK(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) STRATA_CHECK(!std::isnan(x[i]) && !std::isnan(y[i]));
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (x.size() < 3) return kNaN;
  const auto a = centred_ranks(x), b = centred_ranks(y);
  const double aa = std::inner_product(a.begin(), a.end(), a.begin(), 0.0),
               bb = std::inner_product(b.begin(), b.end(), b.begin(), 0.0),
               ab = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  return aa > 0.0 && bb > 0.0 ? ab / std::sqrt(aa * bb) : kNaN;
}

}  // namespace strata::stats
