// Permutation tests over labels, and the adjustment of several p-values.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/base/philox.h"

namespace strata::stats {

/// Ways to call `chosen` of `n` items the first group; saturates at the largest int64.
[[nodiscard]] std::int64_t labelings(std::size_t n, std::size_t chosen);

struct PermutationTest {
  double p_value = 1.0;
  double smallest_p = 1.0;  ///< that any data could give
  std::int64_t tried = 0;   ///< labelings, the observed one included
  bool exhaustive = false;
};

/// Statistic of one labeling: `first[i]` says whether item i belongs to the first group. Large values speak
/// against the null.
using LabelStatistic = std::function<double(const std::vector<bool>& first)>;

/// p of the observed labeling among all of them where there are at most `most`, else among `most` - 1 random
/// ones and itself. Values within 1e-9 of the observed count as at least as large. `two_sided`: the statistic
/// is the same when the groups are swapped, which halves what can be told apart where both have one size.
[[nodiscard]] PermutationTest permute_labels(const std::vector<bool>& observed,
                                             const LabelStatistic& statistic, std::int64_t most,
                                             bool two_sided, Philox& rng);

/// Holm's step-down adjustment (Holm 1979, Scand. J. Statist. 6:65). NaN stays NaN and is not counted.
[[nodiscard]] std::vector<double> holm(std::span<const double> p_values);

}  // namespace strata::stats
