#include "strata/model/backward_kernels.h"

#include <cmath>

#include "strata/model/simd.h"

namespace strata {

STRATA_VECTORISED
void rms_norm_backward_rows(const float* x, std::int64_t x_stride, const float* dy, std::int64_t dy_stride,
                            float* dx, std::int64_t dx_stride, const float* weight, std::int64_t rows,
                            std::int64_t width, double eps) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * x_stride;
    const float* up = dy + r * dy_stride;
    float* out = dx + r * dx_stride;
    const double square = simd::sum<double>(width, [&](std::int64_t i) {
      const double v = in[i];
      return v * v;
    });
    const double dot = simd::sum<double>(width, [&](std::int64_t i) {
      return static_cast<double>(in[i]) * static_cast<double>(weight[i] * up[i]);
    });
    const double inverse = 1.0 / std::sqrt(square / static_cast<double>(width) + eps);
    const auto along = static_cast<float>(inverse * inverse * inverse * dot / static_cast<double>(width));
    const auto scale = static_cast<float>(inverse);
    for (std::int64_t i = 0; i < width; ++i) out[i] += scale * (weight[i] * up[i]) - along * in[i];
  }
}

STRATA_VECTORISED
void apply_gate_backward(const float* x, const float* gate, std::int64_t count, float* d_out, float* d_gate) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float open = 1.0f / (1.0f + simd::exp(-gate[i]));
    d_gate[i] = d_out[i] * x[i] * open * (1.0f - open);
    d_out[i] *= open;
  }
}

STRATA_VECTORISED
void swiglu_backward_rows(const SwigluGradient& g, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* gate = g.gate + r * g.stride;
    const float* up = g.up + r * g.stride;
    const float* d = g.d_out + r * g.stride;
    float* d_gate = g.d_gate + r * g.d_stride;
    float* d_up = g.d_up + r * g.d_stride;
    for (std::int64_t i = 0; i < width; ++i) {
      const float sigmoid = 1.0f / (1.0f + simd::exp(-gate[i]));
      const float silu = gate[i] * sigmoid;
      // silu' = sigmoid (1 + gate (1 - sigmoid))
      const float slope = sigmoid * (1.0f + gate[i] * (1.0f - sigmoid));
      d_gate[i] = d[i] * up[i] * slope;
      d_up[i] = d[i] * silu;
    }
  }
}

STRATA_VECTORISED
void causal_softmax_backward(const float* p, float* dp, const QueryRows& queries, float scale) {
  for (std::int64_t r = 0; r < queries.rows; ++r) {
    const float* probability = p + r * queries.stride;
    float* row = dp + r * queries.stride;
    const std::int64_t keys = queries.first + r + 1;
    const auto mean = static_cast<float>(simd::sum<double>(keys, [&](std::int64_t j) {
      return static_cast<double>(probability[j]) * static_cast<double>(row[j]);
    }));
    for (std::int64_t j = 0; j < keys; ++j) row[j] = scale * probability[j] * (row[j] - mean);
    for (std::int64_t j = keys; j < queries.keys; ++j) row[j] = 0.0f;
  }
}

}  // namespace strata
