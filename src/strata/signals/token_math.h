// Dot products of residual vectors in float64, in a fixed order.
#pragma once

#include <cstdint>

namespace strata {

/// sum a_i b_i.
[[nodiscard]] double dot(const float* a, const float* b, std::int64_t width);
/// |a - b|^2.
[[nodiscard]] double squared_distance(const float* a, const float* b, std::int64_t width);
/// Cosine of the angle between a and b, clamped to [-1, 1]; NaN when one is zero.
[[nodiscard]] double cosine(const float* a, const float* b, std::int64_t width);

}  // namespace strata
