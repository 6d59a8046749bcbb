// What the row kernels share: exponentials that vectorise, and sums whose order is fixed.
// Results must not depend on the vector width: contraction is off, and every reduction runs over a
// fixed number of independent partial sums.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "strata/base/vectorise.h"

namespace strata::simd {

inline constexpr int kLanes = 16;  ///< partial sums of every reduction

/// exp(x) in double, relative error below 4e-16; 0 below -708, clamped above 708.
/// Cody-Waite reduction and a Taylor polynomial of degree 13 on |r| <= ln(2)/2.
[[gnu::always_inline]] inline double exp(double x) {
  constexpr double kLog2e = 1.4426950408889634074;
  constexpr double kLn2Hi = 6.93147180369123816490e-01, kLn2Lo = 1.90821492927058770002e-10;
  constexpr double kMagic = 0x1.8p52;  // adding it rounds to an integer kept in the low mantissa bits
  const double clamped = std::min(std::max(x, -708.0), 708.0);
  const double shifted = clamped * kLog2e + kMagic;
  const double k = shifted - kMagic;
  const double r = (clamped - k * kLn2Hi) - k * kLn2Lo;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const double scale = std::bit_cast<double>((std::bit_cast<std::int64_t>(shifted) + 1023) << 52);
  return x < -708.0 ? 0.0 : p * scale;
}

/// exp(x) in float, relative error below 2e-7; 0 below -87, clamped above 88.
[[gnu::always_inline]] inline float exp(float x) {
  constexpr float kLog2e = 1.44269504f;
  constexpr float kLn2Hi = 0.693359375f, kLn2Lo = -2.12194440e-4f;
  constexpr float kMagic = 0x1.8p23f;
  const float clamped = std::min(std::max(x, -87.0f), 88.0f);
  const float shifted = clamped * kLog2e + kMagic;
  const float k = shifted - kMagic;
  const float r = (clamped - k * kLn2Hi) - k * kLn2Lo;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const float scale = std::bit_cast<float>((std::bit_cast<std::int32_t>(shifted) + 127) << 23);
  return x < -87.0f ? 0.0f : p * scale;
}

/// The sum of term(i) for i in [0, n), as kLanes partial sums added in a fixed tree.
template <class T, class Term>
[[gnu::always_inline]] inline T sum(std::int64_t n, Term term) {
  T partial[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) partial[j] += term(i + j);
  }
  for (int j = 0; i < n; ++i, ++j) partial[j] += term(i);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) partial[j] += partial[j + width];
  }
  return partial[0];
}

/// Two such sums of terms that have most of their work in common: term(i) is a pair.
template <class T, class Term>
[[gnu::always_inline]] inline std::pair<T, T> sums(std::int64_t n, Term term) {
  T first[kLanes] = {}, second[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const std::pair<T, T> value = term(i + j);
      first[j] += value.first;
      second[j] += value.second;
    }
  }
  for (int j = 0; i < n; ++i, ++j) {
    const std::pair<T, T> value = term(i);
    first[j] += value.first;
    second[j] += value.second;
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) {
      first[j] += first[j + width];
      second[j] += second[j + width];
    }
  }
  return {first[0], second[0]};
}

/// The largest of term(i) for i in [0, n), n > 0.
template <class T, class Term>
[[gnu::always_inline]] inline T max(std::int64_t n, Term term) {
  T partial[kLanes];
  for (int j = 0; j < kLanes; ++j) partial[j] = term(0);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const T value = term(i + j);
      partial[j] = partial[j] < value ? value : partial[j];
    }
  }
  for (int j = 0; i < n; ++i, ++j) partial[j] = std::max(partial[j], term(i));
  T largest = partial[0];
  for (int j = 1; j < kLanes; ++j) largest = std::max(largest, partial[j]);
  return largest;
}

}  // namespace strata::simd
