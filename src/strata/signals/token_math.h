// Dot products of residual vectors in float64, in a fixed order.
#pragma once

#include <cstdint>

namespace strata {

/// sum a_i b_i.
[[nodiscard]] double dot(const float* a, const float* b, std::int64_t width);
/// |a - b|^2.
[[nodiscard]] double squared_distance(const float* a, const float* b, std::int64_t width);
/// Angle between a and b in units of pi, in [0, 1]; NaN when one is zero. Keeps its digits near 0 and 1.
[[nodiscard]] double angle(const float* a, const float* b, std::int64_t width);
/// 1 - cos of that angle, in [0, 2]; NaN when one is zero. Keeps its digits near 0.
[[nodiscard]] double cosine_distance(const float* a, const float* b, std::int64_t width);
/// Angle between b - a and c - b in units of pi, in [0, 1]; NaN when a step is zero. The steps are taken in
/// float64, so a straight line of float32 points gives 0 up to their own rounding.
[[nodiscard]] double turning_angle(const float* a, const float* b, const float* c, std::int64_t width);
/// The same of a, b and c divided by their RMS. NaN, too, where one is zero, or a step is shorter than 1e-6
/// of them: such a step is the rounding of vectors of one direction.
[[nodiscard]] double turning_angle_of_directions(const float* a, const float* b, const float* c,
                                                 std::int64_t width);

}  // namespace strata
