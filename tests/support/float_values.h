// Random rows of floats, and how far two of them are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "strata/base/philox.h"

namespace strata::test {

/// N(0, 1).
inline std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

/// Largest difference over the reference's RMS.
inline double relative_difference(const float* ours, const float* reference, std::size_t count) {
  double largest = 0.0, square = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(ours[i]) - reference[i]));
    square += static_cast<double>(reference[i]) * reference[i];
  }
  return largest / std::sqrt(square / static_cast<double>(count));
}
inline double relative_difference(const std::vector<float>& ours, const std::vector<float>& reference) {
  return relative_difference(ours.data(), reference.data(), reference.size());
}

}  // namespace strata::test
