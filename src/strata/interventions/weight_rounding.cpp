#include "strata/interventions/weight_rounding.h"

#include <algorithm>
#include <cmath>

namespace strata {
namespace {

constexpr std::int64_t kGroup = 32;
constexpr double step(int bits) {
  return 1.0 / static_cast<double>((1 << (bits - 1)) - 1);
}
constexpr double kStrengths[] = {step(8), step(6), step(4), step(3), step(2)};

void edit(double strength, float* row, std::int64_t columns) {
  if (strength == 0.0) return;
  for (std::int64_t begin = 0; begin < columns; begin += kGroup) {
    const std::int64_t end = std::min(begin + kGroup, columns);
    float largest = 0.0f;
    for (std::int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(row[i]));
    const auto distance = static_cast<float>(strength * static_cast<double>(largest));
    if (!(distance > 0.0f)) continue;  // all zero, or NaN: nothing to round
    for (std::int64_t i = begin; i < end; ++i) row[i] = std::nearbyint(row[i] / distance) * distance;
  }
}

}  // namespace

Intervention weight_rounding_intervention() {
  return {.id = "weight_rounding",
          .strength_unit = "step / group maximum",
          .site = Site::weights,
          .strengths = kStrengths,
          .edit_weights = edit};
}

}  // namespace strata
