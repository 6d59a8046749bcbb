#include "strata/model/logit_comparison.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/error.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

constexpr float kSmall = 0.5f;  // |d| below which exp(d) - 1 - d comes from its series

// (exp(d) - 1 - d) / d^2 for |d| <= 1/2, relative error below 1e-7: Taylor, the next term is 2 d^7 / 9!.
[[gnu::always_inline]] inline float second_order(float d) {
  float p = 1.0f / 40320.0f;
  p = p * d + 1.0f / 5040.0f;
  p = p * d + 1.0f / 720.0f;
  p = p * d + 1.0f / 120.0f;
  p = p * d + 1.0f / 24.0f;
  p = p * d + 1.0f / 6.0f;
  return p * d + 0.5f;
}

STRATA_VECTORISED
float largest_of(const float* z, std::int64_t n) {
  return simd::max<float>(n, [&](std::int64_t i) { return z[i]; });
}

STRATA_VECTORISED
double exponentials(const float* z, std::int64_t n, float largest, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = simd::exp(z[i] - largest);
  return static_cast<double>(simd::sum<float>(n, [&](std::int64_t i) { return out[i]; }));
}

struct StripSums {
  float total, shift, excess;
};

// (b - a) - c, rounded once where b - a is near c: the rounding of b - a is added again (Knuth's two-sum).
[[gnu::always_inline]] inline float difference(float b, float a, float c) {
  const float d = b - a, from_a = d - b, from_b = d - from_a;
  return (d - c) + ((b - from_b) - (a + from_a));
}

// a, b: logits of the reference and of the row; w = exp(a - its largest). w exp(d) = scale exp(b - largest of
// the row), d = b - a - centre.
STRATA_VECTORISED
StripSums strip_sums(const float* a, const float* b, const float* w, std::int64_t n, float largest,
                     float scale, float centre) {
  constexpr int kLanes = simd::kLanes;
  float total[kLanes] = {}, shift[kLanes] = {}, excess[kLanes] = {};
  const auto add = [&](std::int64_t i, int j) __attribute__((always_inline)) {
    const float d = difference(b[i], a[i], centre), e = simd::exp(b[i] - largest), first = w[i] * d;
    const float near = first * d * second_order(d), far = (e * scale - w[i]) - first;
    total[j] += e;
    shift[j] += first;
    excess[j] += std::fabs(d) <= kSmall ? near : far;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) add(i + j, j);
  }
  for (int j = 0; i < n; ++i, ++j) add(i, j);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) {
      total[j] += total[j + width];
      shift[j] += shift[j + width];
      excess[j] += excess[j + width];
    }
  }
  return {total[0], shift[0], excess[0]};
}

// Takes a strip's largest logit into account; the factor by which the sums so far shrink.
double raise(const float* z, std::int64_t n, std::int64_t seen, float& largest, std::int64_t& top) {
  const float there = largest_of(z, n), before = largest;
  if (!(there > before)) return 1.0;
  largest = there;
  top = seen + (std::find(z, z + n, there) - z);
  return seen == 0 ? 0.0 : std::exp(static_cast<double>(before) - there);
}

STRATA_VECTORISED
std::pair<double, double> statistics_of(const float* z, std::int64_t n, double largest) {
  return simd::sums<double>(n, [&](std::int64_t i) {
    const double d = z[i] - largest, e = simd::exp(d);
    return std::pair(e, e * d);
  });
}

}  // namespace

void StripStatistics::add(std::span<const float> logits) {
  const auto n = static_cast<std::int64_t>(logits.size());
  STRATA_CHECK(n > 0);
  const double there = largest_of(logits.data(), n);
  if (there > largest_) {
    // exp(z - new) (z - new) of what was there, from exp(z - old) (z - old).
    const double step = total_ > 0.0 ? largest_ - there : 0.0, shrink = std::exp(step);
    weighted_ = shrink * (weighted_ + step * total_);
    total_ *= shrink;
    largest_ = there;
  }
  const auto [total, weighted] = statistics_of(logits.data(), n, largest_);
  total_ += total;
  weighted_ += weighted;
}

LogitRow StripStatistics::result() const {
  return {.log_normaliser = largest_ + std::log(total_),
          .entropy_nats = std::log(total_) - weighted_ / total_};
}

void ReferenceRow::add(std::span<const float> logits) {
  const auto n = static_cast<std::int64_t>(logits.size());
  STRATA_CHECK(n > 0);
  rescale_ = raise(logits.data(), n, seen_, largest_, top_);
  weights_.resize(logits.size());
  before_ = total_ * rescale_;
  total_ = before_ + exponentials(logits.data(), n, largest_, weights_.data());
  seen_ += n;
}

void ComparedRow::add(const ReferenceRow& reference, std::span<const float> reference_logits,
                      std::span<const float> logits) {
  const auto n = static_cast<std::int64_t>(logits.size());
  STRATA_CHECK(reference_logits.size() == logits.size() && reference.weights().size() == logits.size());
  total_ *= raise(logits.data(), n, seen_, largest_, top_);
  shift_ *= reference.rescale();
  excess_ *= reference.rescale();
  if (reference.top() != centre_at_) {
    const auto at = static_cast<std::size_t>(reference.top() - seen_);
    move_centre(logits[at] - reference_logits[at], reference.before());
    centre_at_ = reference.top();
  }
  seen_ += n;
  // Beyond this the terms are so large that result() does not use them.
  constexpr double kMost = 80.0;
  const double apart = std::min((static_cast<double>(largest_) - reference.largest()) - centre_, kMost);
  const StripSums strip = strip_sums(reference_logits.data(), logits.data(), reference.weights().data(), n,
                                     largest_, static_cast<float>(std::exp(apart)), centre_);
  total_ += static_cast<double>(strip.total);
  shift_ += static_cast<double>(strip.shift);
  excess_ += static_cast<double>(strip.excess);
}

// The sums of terms of d become those with another centre; `weight` is the sum of the weights.
void ComparedRow::move_centre(float centre, double weight) {
  const double step = static_cast<double>(centre) - centre_, shift = shift_;
  centre_ = centre;
  if (weight == 0.0) return;
  const double change = std::expm1(-step);
  shift_ -= step * weight;
  excess_ = (change + step) * weight + change * shift + (1.0 + change) * excess_;
}

LogitDivergence ComparedRow::result(const ReferenceRow& reference) const {
  constexpr double kMostExcess = 0.5;
  const double mean = shift_ / reference.total(), excess = excess_ / reference.total();
  LogitDivergence result{.same_top = top_ == reference.top()};
  if (excess <= kMostExcess) {
    const double s = mean + excess;
    result.kl_nats = std::max(0.0, (std::log1p(s) - s) + excess);
    result.delta_log_normaliser = centre_ + std::log1p(s);
  } else {
    result.delta_log_normaliser = (static_cast<double>(largest_) - reference.largest()) +
                                  (std::log(total_) - std::log(reference.total()));
    result.kl_nats = std::max(0.0, result.delta_log_normaliser - centre_ - mean);
  }
  if (!std::isfinite(result.delta_log_normaliser - mean))
    result.kl_nats = std::numeric_limits<double>::quiet_NaN();
  return result;
}

}  // namespace strata
