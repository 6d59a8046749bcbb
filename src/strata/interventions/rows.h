// What interventions on states share: rows of ordinary tokens, and their mean.
#pragma once

#include <vector>

#include "strata/interventions/intervention.h"

namespace strata {

/// body(row) for every ordinary token of h (tokens, width).
template <class Body>
void for_ordinary_rows(const EditContext& edit, float* h, const Body& body) {
  for (std::int64_t t = 0; t < edit.tokens; ++t)
    if (edit.classes[static_cast<std::size_t>(t)] == TokenClass::ordinary) body(h + t * edit.width);
}

/// Mean over the ordinary tokens, (width); zero when there is none.
[[nodiscard]] inline std::vector<double> mean_of_ordinary(const EditContext& edit, float* h) {
  std::vector<double> mean(static_cast<std::size_t>(edit.width), 0.0);
  double count = 0.0;
  for_ordinary_rows(edit, h, [&](const float* row) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += row[i];
    count += 1.0;
  });
  for (double& m : mean) m = count > 0.0 ? m / count : 0.0;
  return mean;
}

}  // namespace strata
