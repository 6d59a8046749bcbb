#include "strata/signals/token_math.h"

#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "strata/model/simd.h"

namespace strata {
namespace {

// |u - v|^2 and |u + v|^2 of the unit vectors along a and b; NaN when one is zero.
struct UnitDistance {
  double minus = 0.0, plus = 0.0;
};

STRATA_VECTORISED
UnitDistance unit_distance(const float* a, const float* b, std::int64_t width) {
  UnitDistance d;
  const double size_a = std::sqrt(dot(a, a, width)), size_b = std::sqrt(dot(b, b, width));
  if (!(size_a > 0.0) || !(size_b > 0.0)) {
    d.minus = d.plus = std::numeric_limits<double>::quiet_NaN();
    return d;
  }
  const double scale_a = 1.0 / size_a, scale_b = 1.0 / size_b;
  const auto square = [](double x) { return x * x; };
  d.minus = simd::sum<double>(width, [&](std::int64_t i) { return square(a[i] * scale_a - b[i] * scale_b); });
  d.plus = simd::sum<double>(width, [&](std::int64_t i) { return square(a[i] * scale_a + b[i] * scale_b); });
  return d;
}

// Angle between the steps from a to b and from b to c, each times its scale; NaN where a step is not longer
// than `least`.
STRATA_VECTORISED
double scaled_turn(const float* a, const float* b, const float* c, std::int64_t width,
                   const std::array<double, 3>& scale, double least) {
  const auto before = [=](std::int64_t i) { return b[i] * scale[1] - a[i] * scale[0]; };
  const auto after = [=](std::int64_t i) { return c[i] * scale[2] - b[i] * scale[1]; };
  const double u = std::sqrt(simd::sum<double>(width, [&](std::int64_t i) { return before(i) * before(i); }));
  const double v = std::sqrt(simd::sum<double>(width, [&](std::int64_t i) { return after(i) * after(i); }));
  if (!(u > least) || !(v > least)) return std::numeric_limits<double>::quiet_NaN();
  const double scale_u = 1.0 / u, scale_v = 1.0 / v;
  const auto square = [](double x) { return x * x; };
  const double minus = simd::sum<double>(
      width, [&](std::int64_t i) { return square(before(i) * scale_u - after(i) * scale_v); });
  const double plus = simd::sum<double>(
      width, [&](std::int64_t i) { return square(before(i) * scale_u + after(i) * scale_v); });
  return 2.0 * std::atan2(std::sqrt(minus), std::sqrt(plus)) / std::numbers::pi;
}

}  // namespace

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

double angle(const float* a, const float* b, std::int64_t width) {
  const UnitDistance d = unit_distance(a, b, width);
  // atan2 of |u - v| and |u + v| for unit vectors: exact near 0, where arccos of a cosine is not.
  return 2.0 * std::atan2(std::sqrt(d.minus), std::sqrt(d.plus)) / std::numbers::pi;
}

double turning_angle(const float* a, const float* b, const float* c, std::int64_t width) {
  return scaled_turn(a, b, c, width, {1.0, 1.0, 1.0}, 0.0);
}

double turning_angle_of_directions(const float* a, const float* b, const float* c, std::int64_t width) {
  std::array<double, 3> scale{};
  const std::array rows = {a, b, c};
  for (std::size_t i = 0; i < 3; ++i) {
    const double square = dot(rows[i], rows[i], width);
    if (!(square > 0.0)) return std::numeric_limits<double>::quiet_NaN();
    scale[i] = std::sqrt(static_cast<double>(width) / square);
  }
  return scaled_turn(a, b, c, width, scale, 1e-6 * std::sqrt(static_cast<double>(width)));
}

double cosine_distance(const float* a, const float* b, std::int64_t width) {
  return unit_distance(a, b, width).minus / 2.0;
}

}  // namespace strata
