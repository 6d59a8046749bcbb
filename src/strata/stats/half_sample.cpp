#include "strata/stats/half_sample.h"

#include <algorithm>
#include <numeric>

namespace strata::stats {

std::vector<std::uint32_t> half_sample(std::size_t n, Philox& rng) {
  std::vector<std::uint32_t> items(n);
  std::iota(items.begin(), items.end(), 0u);
  shuffle(items, rng);
  items.resize(n / 2);
  std::sort(items.begin(), items.end());
  return items;
}

}  // namespace strata::stats
