// What interventions on attention share: a row of probabilities mixed with another one.
#pragma once

#include <vector>

#include "strata/interventions/intervention.h"

namespace strata {

/// probability = (1 - strength) probability + strength w / sum w over the keys that the query sees,
/// w(key) >= 0 taken before anything changes. Where every w is 0 (underflow), the row stays on its first key,
/// a sink; where a sliding window has left that key behind, the row stays as it is.
template <class Weight>
void mix_attention(const EditContext& edit, std::int64_t query, float* probability, const Weight& weight) {
  const double strength = edit.strength;
  if (strength == 0.0) return;
  const std::int64_t first = edit.reach == 0 || query < edit.reach ? 0 : query - edit.reach + 1;
  std::vector<double> other(static_cast<std::size_t>(query) + 1);
  double sum = 0.0;
  for (std::int64_t key = first; key <= query; ++key)
    sum += other[static_cast<std::size_t>(key)] = weight(key);
  if (!(sum > 0.0)) {
    if (first > 0) return;
    other[0] = sum = 1.0;
  }
  for (std::int64_t key = first; key <= query; ++key) {
    const double own = strength == 1.0 ? 0.0 : (1.0 - strength) * static_cast<double>(probability[key]);
    probability[key] = static_cast<float>(own + strength * other[static_cast<std::size_t>(key)] / sum);
  }
}

}  // namespace strata
