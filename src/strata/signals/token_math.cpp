#include "strata/signals/token_math.h"

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

STRATA_VECTORISED
double turning_angle(const float* a, const float* b, const float* c, std::int64_t width) {
  const auto before = [=](std::int64_t i) { return static_cast<double>(b[i]) - a[i]; };
  const auto after = [=](std::int64_t i) { return static_cast<double>(c[i]) - b[i]; };
  const double u = std::sqrt(simd::sum<double>(width, [&](std::int64_t i) { return before(i) * before(i); }));
  const double v = std::sqrt(simd::sum<double>(width, [&](std::int64_t i) { return after(i) * after(i); }));
  if (!(u > 0.0) || !(v > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  const double scale_u = 1.0 / u, scale_v = 1.0 / v;
  const auto square = [](double x) { return x * x; };
  const double minus = simd::sum<double>(
      width, [&](std::int64_t i) { return square(before(i) * scale_u - after(i) * scale_v); });
  const double plus = simd::sum<double>(
      width, [&](std::int64_t i) { return square(before(i) * scale_u + after(i) * scale_v); });
  return 2.0 * std::atan2(std::sqrt(minus), std::sqrt(plus)) / std::numbers::pi;
}

double cosine_distance(const float* a, const float* b, std::int64_t width) {
  return unit_distance(a, b, width).minus / 2.0;
}

}  // namespace strata
