// How sure a counted share is.
#pragma once

#include <cstddef>

namespace strata::stats {

struct ShareInterval {
  double lo = 0.0;
  double hi = 1.0;
};

/// 95% interval of a binomial probability after `hits` of `trials`, exact (Clopper and Pearson 1934,
/// Biometrika 26:404): the probabilities under which neither tail beyond the count is below 2.5%. [0, 1]
/// without trials.
[[nodiscard]] ShareInterval clopper_pearson(std::size_t hits, std::size_t trials);

}  // namespace strata::stats
