#include "strata/model/kernels.h"

#include <cmath>
#include <limits>
#include <vector>

#include "strata/base/error.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

constexpr double kHuge = 1e250;  // sums above this may hold a clamped exponential
// Sums without the sinks are differences where at most this many columns are sinks and this share of the
// weight remains; else they are summed anew.
constexpr std::size_t kFewSinks = 8;
constexpr double kRemains = 1e-3;

}  // namespace

STRATA_VECTORISED
void rms_norm_rows(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                   const float* weight, std::int64_t rows, std::int64_t width, double eps) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * x_stride;
    float* out = y + r * y_stride;
    const double square = simd::sum<double>(width, [&](std::int64_t i) {
      const double v = in[i];
      return v * v;
    });
    const auto inverse = static_cast<float>(1.0 / std::sqrt(square / static_cast<double>(width) + eps));
    for (std::int64_t i = 0; i < width; ++i) out[i] = in[i] * inverse * weight[i];
  }
}

STRATA_VECTORISED
void add_bias_rows(float* x, std::int64_t stride, const float* bias, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = x + r * stride;
    for (std::int64_t i = 0; i < width; ++i) row[i] += bias[i];
  }
}

STRATA_VECTORISED
void scale_rows(float* x, std::int64_t stride, const float* scale, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = x + r * stride;
    for (std::int64_t i = 0; i < width; ++i) row[i] *= scale[r];
  }
}

STRATA_VECTORISED
void add_scaled(float* y, const float* x, float scale, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += scale * x[i];
}

STRATA_VECTORISED
double inner_product(const float* a, const float* b, std::int64_t count) {
  return simd::sum<double>(
      count, [&](std::int64_t i) { return static_cast<double>(a[i]) * static_cast<double>(b[i]); });
}

STRATA_VECTORISED
void apply_gate(float* x, const float* gate, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] /= 1.0f + simd::exp(-gate[i]);
}

STRATA_VECTORISED
void add_in_place(float* y, const float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += x[i];
}

STRATA_VECTORISED
void swiglu_rows(float* gate, std::int64_t gate_stride, const float* up, std::int64_t up_stride,
                 std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* g = gate + r * gate_stride;
    const float* u = up + r * up_stride;
    for (std::int64_t i = 0; i < width; ++i) g[i] = g[i] / (1.0f + simd::exp(-g[i])) * u[i];
  }
}

STRATA_VECTORISED
void rope_rows(float* x, const HeadRows& layout, const float* cos, const float* sin) {
  const std::int64_t half = layout.rotated / 2;
  for (std::int64_t r = 0; r < layout.rows; ++r) {
    const float* c = cos + r * half;
    const float* s = sin + r * half;
    for (std::int64_t h = 0; h < layout.heads; ++h) {
      float* low = x + r * layout.stride + h * layout.dim;
      float* high = low + half;
      for (std::int64_t i = 0; i < half; ++i) {
        const float a = low[i], b = high[i];
        low[i] = a * c[i] - b * s[i];
        high[i] = b * c[i] + a * s[i];
      }
    }
  }
}

namespace {

// Adds one head's distance and normalised entropy of one query, from sums over its keys of
// e = exp(d), e d and e |i-j|, where d = score - largest score.
struct RowSums {
  double weight = 0.0, weighted_score = 0.0, weighted_distance = 0.0;
  double keys = 0.0, distance = 0.0;  // of the keys themselves, unweighted
};

void add_row(const RowSums& s, double& distance, double& entropy) {
  if (s.keys < 2.0 || !(s.weight > 0.0)) {
    distance = entropy = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  distance += s.weighted_distance / s.weight / (s.distance / s.keys);
  // -sum A ln A with A = e / Z and ln e known: no logarithm per key.
  entropy += std::max(0.0, std::log(s.weight) - s.weighted_score / s.weight) / std::log(s.keys);
}

// Of a query that sees a whole window: exponentials `e` of its keys, oldest first, and their total.
double edge_share(const float* e, std::int64_t window, double total) {
  const std::int64_t edge = edge_keys(window);
  double sum = 0.0;
  for (std::int64_t j = 0; j < edge; ++j) sum += static_cast<double>(e[j]);
  return sum / total * static_cast<double>(window) / static_cast<double>(edge);
}

}  // namespace

STRATA_VECTORISED
void causal_softmax(float* scores, const QueryRows& queries, float scale, const AttentionSums* sums) {
  // With statistics: d of the current row, its e restricted to kept keys, and n-1, ..., 1, 0: what is left
  // of it from n-1-i on are the distances of the keys from query i. Summing e |i-j| itself, not i e - j e,
  // keeps the digits where attention is local.
  const std::int64_t n = queries.keys;
  std::vector<float> buffer(sums != nullptr ? static_cast<std::size_t>(3 * n) : 0);
  float* d = buffer.data();
  float* kept = d + n;
  float* descending = kept + n;
  std::vector<std::int64_t> sinks;
  if (sums != nullptr) {
    for (std::int64_t j = 0; j < n; ++j) {
      descending[j] = static_cast<float>(n - 1 - j);
      if (sums->keep[static_cast<std::size_t>(j)] == 0.0f) sinks.push_back(j);
    }
  }
  for (std::int64_t r = 0; r < queries.rows; ++r) {
    const std::int64_t i = queries.first + r, begin = queries.first_key(i), keys = i + 1 - begin;
    float* whole = scores + r * queries.stride;
    float* row = whole + begin;  // of the keys that the query sees
    const float largest = simd::max<float>(keys, [&](std::int64_t j) { return row[j]; });
    if (sums != nullptr) {
      for (std::int64_t j = 0; j < keys; ++j) d[j] = (row[j] - largest) * scale;
    }
    for (std::int64_t j = 0; j < keys; ++j) row[j] = simd::exp((row[j] - largest) * scale);
    const double total = simd::sum<double>(keys, [&](std::int64_t j) { return row[j]; });
    if (sums != nullptr) {
      const float* away = descending + (n - 1 - i) + begin;
      const auto weighted = [&](const float* e, const float* by) {
        return simd::sum<double>(keys, [&](std::int64_t j) { return e[j] * by[j]; });
      };
      RowSums all{.weight = total, .weighted_score = weighted(row, d)};
      all.weighted_distance = weighted(row, away);
      all.keys = static_cast<double>(keys);
      all.distance = static_cast<double>(keys - 1) * static_cast<double>(keys) / 2.0;
      if (!sums->window_edge.empty())
        sums->window_edge[static_cast<std::size_t>(i)] +=
            keys == queries.window ? edge_share(row, keys, total) : std::numeric_limits<double>::quiet_NaN();
      RowSums rest = all;
      for (const std::int64_t j : sinks) {
        if (j > i) break;
        const std::int64_t at = j - begin;
        if (at < 0) continue;
        rest.weight -= row[at];
        rest.weighted_score -= row[at] * d[at];
        rest.weighted_distance -= row[at] * away[at];
        rest.keys -= 1.0;
        rest.distance -= away[at];
      }
      if (sinks.size() > kFewSinks || !(rest.weight >= kRemains * total)) {
        const float* keep = sums->keep.data() + begin;
        for (std::int64_t j = 0; j < keys; ++j) kept[j] = row[j] * keep[j];
        rest.weight = simd::sum<double>(keys, [&](std::int64_t j) { return kept[j]; });
        rest.weighted_score = weighted(kept, d);
        rest.weighted_distance = weighted(kept, away);
      }
      const auto at = static_cast<std::size_t>(i);
      add_row(all, sums->distance_all[at], sums->entropy_all[at]);
      add_row(rest, sums->distance_reduced[at], sums->entropy_reduced[at]);
    }
    const auto inverse = static_cast<float>(1.0 / total);
    for (std::int64_t j = 0; j < keys; ++j) row[j] *= inverse;
    for (std::int64_t j = 0; j < begin; ++j) whole[j] = 0.0f;
    for (std::int64_t j = i + 1; j < n; ++j) whole[j] = 0.0f;
  }
}

STRATA_VECTORISED
LogitRow logit_statistics(std::span<const float> logits) {
  const auto n = static_cast<std::int64_t>(logits.size());
  const float* z = logits.data();
  const double largest = simd::max<float>(n, [&](std::int64_t i) { return z[i]; });
  const auto [total, weighted] = simd::sums<double>(n, [&](std::int64_t i) {
    const double d = z[i] - largest, e = simd::exp(d);
    return std::pair(e, e * d);
  });
  LogitRow row;
  row.log_normaliser = largest + std::log(total);
  row.entropy_nats = std::log(total) - weighted / total;
  return row;
}

STRATA_VECTORISED
double log_sum_exp(std::span<const float> logits) {
  const auto n = static_cast<std::int64_t>(logits.size());
  const float* z = logits.data();
  const double largest = simd::max<float>(n, [&](std::int64_t i) { return z[i]; });
  return largest + std::log(simd::sum<double>(n, [&](std::int64_t i) { return simd::exp(z[i] - largest); }));
}

STRATA_VECTORISED
void softmax_row(std::span<const float> logits, std::span<double> probability) {
  const auto n = static_cast<std::int64_t>(logits.size());
  const float* z = logits.data();
  double* p = probability.data();
  const double largest = simd::max<float>(n, [&](std::int64_t i) { return z[i]; });
  for (std::int64_t i = 0; i < n; ++i) p[i] = simd::exp(z[i] - largest);
  const double total = simd::sum<double>(n, [&](std::int64_t i) { return p[i]; });
  for (std::int64_t i = 0; i < n; ++i) p[i] /= total;
}

STRATA_VECTORISED
Divergence divergence_from_logits(std::span<const double> probability, std::span<const float> p_logits,
                                  std::span<const float> q_logits) {
  const auto n = static_cast<std::int64_t>(probability.size());
  STRATA_CHECK(p_logits.size() == probability.size() && q_logits.size() == probability.size());
  const double* p = probability.data();
  const float* a = p_logits.data();
  const float* b = q_logits.data();
  const auto difference = [&](std::int64_t i) {
    return static_cast<double>(b[i]) - static_cast<double>(a[i]);
  };
  const double mean = simd::sum<double>(n, [&](std::int64_t i) { return p[i] * difference(i); });
  // exp(d) - 1 - d with d centred at its mean, so that KL = ln(1 + sum p (exp(d) - 1 - d)) >= 0.
  const double excess = simd::sum<double>(n, [&](std::int64_t i) {
    const double d = difference(i) - mean;
    return p[i] * (simd::exp(d) - 1.0 - d);
  });
  double kl = std::max(0.0, std::log1p(excess));
  if (!(excess < kHuge)) {
    // Near the clamp of exp(): the largest term is taken out before summing.
    const double largest = simd::max<double>(n, [&](std::int64_t i) { return difference(i) - mean; });
    kl = largest + std::log(simd::sum<double>(
                       n, [&](std::int64_t i) { return p[i] * simd::exp(difference(i) - mean - largest); }));
  }
  return {.kl_nats = kl, .delta_log_normaliser = kl + mean};
}

}  // namespace strata
