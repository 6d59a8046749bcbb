#include "strata/model/mlp.h"

#include <algorithm>

#include "strata/model/backward_kernels.h"
#include "strata/model/kernels.h"
#include "strata/model/room.h"

namespace strata {
namespace {

void add_part_of(const WeightVector& bias, std::int64_t first, float* x, std::int64_t stride,
                 std::int64_t rows, std::int64_t width) {
  if (bias.defined()) add_bias_rows(x, stride, bias.data() + first, rows, width);
}

}  // namespace

std::int64_t mlp_scratch_floats(std::int64_t hidden, std::int64_t width) {
  return 2 * std::min(kGateColumns, width) + hidden + width;
}

void run_mlp(const MlpWeights& w, const float* x, float* out, std::int64_t n, MlpScratch& scratch) {
  const std::int64_t width = w.gate.rows(), chunk = std::min(kGateColumns, width);
  scratch.input.reset(w.gate.dtype(), n, w.gate.columns());
  scratch.input.put(x, w.gate.columns());
  scratch.hidden.reset(w.gate.dtype(), n, width);
  float* gate = room(scratch.gate, n * chunk);
  float* up = room(scratch.up, n * chunk);
  for (std::int64_t first = 0; first < width; first += chunk) {
    const std::int64_t end = std::min(width, first + chunk);
    multiply(scratch.input, w.gate.packed(), first, end, {.data = gate, .stride = chunk});
    multiply(scratch.input, w.up.packed(), first, end, {.data = up, .stride = chunk});
    add_part_of(w.gate_bias, first, gate, chunk, n, end - first);
    add_part_of(w.up_bias, first, up, chunk, n, end - first);
    swiglu_rows(gate, chunk, up, chunk, n, end - first);
    scratch.hidden.put(gate, chunk, first, end - first);
  }
  multiply(scratch.hidden, w.down.packed(), {.data = out, .stride = w.down.rows()});
  add_part_of(w.down_bias, 0, out, w.down.rows(), n, w.down.rows());
}

void gate_and_up(const MlpWeights& w, const float* x, std::int64_t rows, float* gate, float* up,
                 PackedRows& input) {
  const std::int64_t width = w.width();
  input.reset(w.gate.dtype(), rows, w.gate.columns());
  input.put(x, w.gate.columns());
  multiply(input, w.gate.packed(), {.data = gate, .stride = width});
  multiply(input, w.up.packed(), {.data = up, .stride = width});
  add_part_of(w.gate_bias, 0, gate, width, rows, width);
  add_part_of(w.up_bias, 0, up, width, rows, width);
}

std::int64_t mlp_backward_floats(std::int64_t hidden, std::int64_t width) {
  return hidden + 3 * width + 2 * std::min(kGateColumns, width);
}

void mlp_backward(const MlpWeights& w, const float* gate, const float* up, const float* d_out,
                  std::int64_t rows, float* d_x, MlpBackwardScratch& s) {
  const std::int64_t width = w.width(), d = w.down.rows();
  const ComputeDType dtype = w.gate.dtype();
  s.input.reset(dtype, rows, d);
  s.input.put(d_out, d);
  float* d_hidden = room(s.d_hidden, rows * width);
  multiply_transposed(s.input, w.down.packed(), {.data = d_hidden, .stride = width});
  const std::int64_t chunk = std::min(kGateColumns, width);
  float* d_gate = room(s.d_gate, rows * chunk);
  float* d_up = room(s.d_up, rows * chunk);
  s.d_gate_rows.reset(dtype, rows, width);
  s.d_up_rows.reset(dtype, rows, width);
  for (std::int64_t first = 0; first < width; first += chunk) {
    const std::int64_t columns = std::min(chunk, width - first);
    swiglu_backward_rows({.gate = gate + first,
                          .up = up + first,
                          .d_out = d_hidden + first,
                          .stride = width,
                          .d_gate = d_gate,
                          .d_up = d_up,
                          .d_stride = chunk},
                         rows, columns);
    s.d_gate_rows.put(d_gate, chunk, first, columns);
    s.d_up_rows.put(d_up, chunk, first, columns);
  }
  multiply_transposed(s.d_gate_rows, w.gate.packed(), {.data = d_x, .stride = d});
  multiply_transposed(s.d_up_rows, w.up.packed(), {.data = d_x, .stride = d, .add = true});
}

}  // namespace strata
