#include "strata/signals/token_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/model/simd.h"

namespace strata {

STRATA_VECTORISED
double dot(const float* a, const float* b, std::int64_t width) {
  return simd::sum<double>(width, [&](std::int64_t i) { return static_cast<double>(a[i]) * b[i]; });
}

STRATA_VECTORISED
double squared_distance(const float* a, const float* b, std::int64_t width) {
  return simd::sum<double>(width, [&](std::int64_t i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    return difference * difference;
  });
}

double cosine(const float* a, const float* b, std::int64_t width) {
  const double norms = std::sqrt(dot(a, a, width)) * std::sqrt(dot(b, b, width));
  if (!(norms > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp(dot(a, b, width) / norms, -1.0, 1.0);
}

}  // namespace strata
