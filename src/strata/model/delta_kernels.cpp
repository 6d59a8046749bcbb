#include "strata/model/delta_kernels.h"

#include <algorithm>
#include <cmath>

#include "strata/model/simd.h"

namespace strata {
namespace {

constexpr double kUnitEps = 1e-6;  // of unit_rows, which no configuration changes
// Columns of a pass of the triangular systems: the sums of a row stay in registers, what is read in the
// first cache.
constexpr std::int64_t kSolveColumns = 32;

// ln(1 + e^x) = max(x, 0) + ln(1 + y) with y = e^-|x|, and ln(1 + y) = 2 artanh(w) with w = y / (2 + y) <=
// 1/3: what the series leaves out is below 2e-17 of it.
[[gnu::always_inline]] inline double softplus(double x) {
  const double y = simd::exp(-std::fabs(x)), w = y / (2.0 + y), square = w * w;
  double series = 1.0 / 31.0;
  for (int k = 29; k > 0; k -= 2) series = series * square + 1.0 / k;
  return std::max(x, 0.0) + 2.0 * w * series;
}

// Columns [0, kColumns) of both systems. `reversed`: from the last row up, with the coupling's transpose.
template <std::int64_t kColumns, class Start>
[[gnu::always_inline]] inline void solve_columns(const DeltaCorrections& c, const DeltaGates& gates,
                                                 bool reversed, std::int64_t column, std::int64_t columns,
                                                 Start start, float* solved, float* scaled) {
  const std::int64_t used = kColumns > 0 ? kColumns : columns, n = c.rows;
  for (std::int64_t step = 0; step < n; ++step) {
    const std::int64_t i = reversed ? n - 1 - step : step;
    float sums[kSolveColumns];
    for (std::int64_t x = 0; x < used; ++x) sums[x] = start(i, column + x);
    const std::int64_t first = reversed ? i + 1 : 0, end = reversed ? n : i;
    const float* factor = reversed ? c.coupling + first * n + i : c.coupling + i * n;
    const std::int64_t next = reversed ? n : 1;
    const float* row = scaled + first * c.width + column;
    for (std::int64_t j = first; j < end; ++j, factor += next, row += c.width) {
      for (std::int64_t x = 0; x < used; ++x) sums[x] -= *factor * row[x];
    }
    const auto strength = static_cast<float>(gates.strength[i]);
    float* to = solved + i * c.width + column;
    float* to_scaled = scaled + i * c.width + column;
    for (std::int64_t x = 0; x < used; ++x) {
      to[x] = sums[x];
      to_scaled[x] = strength * sums[x];
    }
  }
}

template <class Start>
[[gnu::always_inline]] inline void solve(const DeltaCorrections& c, const DeltaGates& gates, bool reversed,
                                         Start start, float* solved, float* scaled) {
  std::int64_t column = 0;
  for (; column + kSolveColumns <= c.width; column += kSolveColumns) {
    solve_columns<kSolveColumns>(c, gates, reversed, column, kSolveColumns, start, solved, scaled);
  }
  if (column < c.width) {
    solve_columns<0>(c, gates, reversed, column, c.width - column, start, solved, scaled);
  }
}

}  // namespace

STRATA_VECTORISED
void unit_rows(const float* x, float* y, float* inverse, float scale, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * width;
    float* out = y + r * width;
    const double square = simd::sum<double>(width, [&](std::int64_t i) {
      const double v = in[i];
      return v * v;
    });
    inverse[r] = static_cast<float>(1.0 / std::sqrt(square + kUnitEps));
    const float factor = scale * inverse[r];
    for (std::int64_t i = 0; i < width; ++i) out[i] = in[i] * factor;
  }
}

STRATA_VECTORISED
void unit_backward_rows(const float* x, const float* inverse, float* gradient, float scale, std::int64_t rows,
                        std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * width;
    float* d = gradient + r * width;
    const double dot = simd::sum<double>(
        width, [&](std::int64_t i) { return static_cast<double>(in[i]) * static_cast<double>(d[i]); });
    const double factor = static_cast<double>(scale) * inverse[r];
    const auto along = static_cast<float>(factor * inverse[r] * inverse[r] * dot);
    const auto across = static_cast<float>(factor);
    for (std::int64_t i = 0; i < width; ++i) d[i] = across * d[i] - along * in[i];
  }
}

STRATA_VECTORISED
void delta_gates(const DeltaRows& a, const DeltaRows& b, double decay_rate, double dt_bias, std::int64_t rows,
                 DeltaGates& gates) {
  double step[kDeltaChunk], logit[kDeltaChunk];
  for (std::int64_t t = 0; t < rows; ++t) {
    step[t] = static_cast<double>(a.data[t * a.stride]) + dt_bias;
    logit[t] = b.data[t * b.stride];
  }
  for (std::int64_t t = 0; t < rows; ++t) {
    gates.log_decay[t] = -decay_rate * softplus(step[t]);
    gates.slope[t] = -decay_rate / (1.0 + simd::exp(-step[t]));
    const double strength = 1.0 / (1.0 + simd::exp(-logit[t]));
    gates.strength[t] = strength;
    gates.strength_slope[t] = strength / (1.0 + simd::exp(logit[t]));
  }
  double sum = 0.0;
  for (std::int64_t t = 0; t < rows; ++t) gates.cumulative[t] = sum += gates.log_decay[t];
  for (std::int64_t t = 0; t < rows; ++t) {
    gates.from_start[t] = static_cast<float>(simd::exp(gates.cumulative[t]));
    gates.to_end[t] = static_cast<float>(simd::exp(sum - gates.cumulative[t]));
  }
  gates.whole = gates.from_start[rows - 1];
}

STRATA_VECTORISED
void decay_matrix(const double* cumulative, std::int64_t rows, float* decay) {
  for (std::int64_t i = 0; i < rows; ++i) {
    float* row = decay + i * rows;
    const double present = cumulative[i];
    for (std::int64_t j = 0; j <= i; ++j) {
      // The float exponential is 0 from -87 down.
      row[j] = simd::exp(static_cast<float>(std::max(present - cumulative[j], -100.0)));
    }
    std::fill(row + i + 1, row + rows, 0.0f);
  }
}

STRATA_VECTORISED
void multiply_values(const float* x, const float* y, float* z, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) z[i] = x[i] * y[i];
}

STRATA_VECTORISED
void add_products(const float* x, const float* y, float sign, float* sum, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] += sign * (x[i] * y[i]);
}

STRATA_VECTORISED
void solve_corrections(const DeltaCorrections& c, const DeltaGates& gates, const float* v,
                       const float* from_state, float* innovation, float* written) {
  const auto start = [&](std::int64_t i, std::int64_t x) {
    return v[i * c.width + x] - gates.from_start[i] * from_state[i * c.width + x];
  };
  solve(c, gates, false, start, innovation, written);
}

STRATA_VECTORISED
void solve_corrections_backward(const DeltaCorrections& c, const DeltaGates& gates, const float* d_written,
                                float* solved, float* d_values) {
  const auto start = [&](std::int64_t i, std::int64_t x) { return d_written[i * c.width + x]; };
  solve(c, gates, true, start, solved, d_values);
}

STRATA_VECTORISED
void pair_decay_gradients(const PairDecays& p, double* d_cumulative) {
  for (std::int64_t i = 1; i < p.rows; ++i) {
    const std::int64_t row = i * p.rows;
    double term[kDeltaChunk];
    for (std::int64_t j = 0; j < i; ++j) {
      term[j] = static_cast<double>(p.scores[row + j]) * static_cast<double>(p.d_scores[row + j]) -
                static_cast<double>(p.coupling[row + j]) * static_cast<double>(p.d_coupling[row + j]);
    }
    for (std::int64_t j = 0; j < i; ++j) d_cumulative[j] -= term[j];
    d_cumulative[i] += simd::sum<double>(i, [&](std::int64_t j) { return term[j]; });
  }
}

STRATA_VECTORISED
void scaled_rows(const float* x, const float* scale, float* y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < width; ++i) y[r * width + i] = scale[r] * x[r * width + i];
  }
}

STRATA_VECTORISED
void add_scaled_rows(const float* x, const float* scale, float* y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < width; ++i) y[r * width + i] += scale[r] * x[r * width + i];
  }
}

STRATA_VECTORISED
void scale_values(float* x, float factor, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] *= factor;
}

STRATA_VECTORISED
double dot_values(const float* x, const float* y, std::int64_t count) {
  return simd::sum<double>(
      count, [&](std::int64_t i) { return static_cast<double>(x[i]) * static_cast<double>(y[i]); });
}

STRATA_VECTORISED
void gated_norm_rows(const float* o, const DeltaRows& z, const float* weight, double eps, std::int64_t rows,
                     std::int64_t width, const DeltaGradientRows& mixed) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = o + r * width;
    const float* gate = z.data + r * z.stride;
    float* out = mixed.data + r * mixed.stride;
    const double square = simd::sum<double>(width, [&](std::int64_t i) {
      const double v = in[i];
      return v * v;
    });
    const auto inverse = static_cast<float>(1.0 / std::sqrt(square / static_cast<double>(width) + eps));
    for (std::int64_t i = 0; i < width; ++i) {
      out[i] = in[i] * inverse * weight[i] * (gate[i] / (1.0f + simd::exp(-gate[i])));
    }
  }
}

STRATA_VECTORISED
void gated_norm_backward_rows(const GatedNormGradient& g, const float* weight, double eps, std::int64_t rows,
                              std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = g.o + r * width;
    const float* gate = g.z.data + r * g.z.stride;
    const float* d = g.d_mixed.data + r * g.d_mixed.stride;
    float* d_in = g.d_o + r * width;
    float* d_gate = g.d_z.data + r * g.d_z.stride;
    const double square = simd::sum<double>(width, [&](std::int64_t i) {
      const double v = in[i];
      return v * v;
    });
    const double inverse = 1.0 / std::sqrt(square / static_cast<double>(width) + eps);
    const auto scale = static_cast<float>(inverse);
    for (std::int64_t i = 0; i < width; ++i) {
      const float sigmoid = 1.0f / (1.0f + simd::exp(-gate[i]));
      d_gate[i] = d[i] * (in[i] * scale * weight[i]) * (sigmoid * (1.0f + gate[i] * (1.0f - sigmoid)));
      d_in[i] = d[i] * weight[i] * (gate[i] * sigmoid);  // with respect to the normalised row
    }
    const double dot = simd::sum<double>(
        width, [&](std::int64_t i) { return static_cast<double>(in[i]) * static_cast<double>(d_in[i]); });
    const auto along = static_cast<float>(inverse * inverse * inverse * dot / static_cast<double>(width));
    for (std::int64_t i = 0; i < width; ++i) d_in[i] = scale * d_in[i] - along * in[i];
  }
}

}  // namespace strata
