// Vector-Jacobian products of the row kernels (kernels.h): gradients with respect to inputs, never to
// weights. Each row's result depends on that row alone.
#pragma once

#include <cstdint>

#include "strata/model/kernels.h"

namespace strata {

/// dx += J^T dy for y = rms_norm_rows(x): with r = (mean(x^2) + eps)^(-1/2),
/// dx_i += r w_i dy_i - x_i r^3 (sum_j x_j w_j dy_j) / width. Row strides in elements.
void rms_norm_backward_rows(const float* x, std::int64_t x_stride, const float* dy, std::int64_t dy_stride,
                            float* dx, std::int64_t dx_stride, const float* weight, std::int64_t rows,
                            std::int64_t width, double eps);

/// For out = x sigmoid(gate), `count` values: d_out becomes d_x, and d_gate is written.
void apply_gate_backward(const float* x, const float* gate, std::int64_t count, float* d_out, float* d_gate);

/// For out = silu(gate) * up: d_gate and d_up, given d_out. All (rows, width), with row strides in elements.
struct SwigluGradient {
  const float* gate;
  const float* up;
  const float* d_out;
  std::int64_t stride;  ///< of the three above
  float* d_gate;
  float* d_up;
  std::int64_t d_stride;  ///< of the two above
};
void swiglu_backward_rows(const SwigluGradient& g, std::int64_t rows, std::int64_t width);

/// For p = causal_softmax(scale * scores) of some queries: overwrites dp with d scores =
/// scale * p_ij (dp_ij - sum_k p_ik dp_ik); 0 for keys after the query. Both have the queries' layout.
void causal_softmax_backward(const float* p, float* dp, const QueryRows& queries, float scale);

}  // namespace strata
