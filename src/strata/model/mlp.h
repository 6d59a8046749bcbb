// A gated MLP: that of a dense block, one expert, or the expert that every token uses.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/model/product.h"
#include "strata/model/weight.h"

namespace strata {

struct MlpWeights {
  Weight gate, up;                             // (width, d)
  Weight down;                                 // (d, width)
  WeightVector gate_bias, up_bias, down_bias;  // (width), (width), (d); undefined without bias

  [[nodiscard]] std::int64_t width() const { return gate.rows(); }
};

/// Columns of gate and up that are computed at once: what lies between the products stays in the cache.
inline constexpr std::int64_t kGateColumns = 512;

struct MlpScratch {
  std::vector<float> gate, up;
  PackedRows input, hidden;
};

/// Floats of MlpScratch for each row.
[[nodiscard]] std::int64_t mlp_scratch_floats(std::int64_t hidden, std::int64_t width);

/// out (rows, d) = down(silu(gate(x)) * up(x)) for x (rows, d), both row-major; processor only.
void run_mlp(const MlpWeights& w, const float* x, float* out, std::int64_t rows, MlpScratch& scratch);

/// What the gradient of an MLP needs of its forward pass: outputs of gate and up, (rows, width).
void gate_and_up(const MlpWeights& w, const float* x, std::int64_t rows, float* gate, float* up,
                 PackedRows& input);

struct MlpBackwardScratch {
  std::vector<float> d_hidden, d_gate, d_up;
  PackedRows input, d_gate_rows, d_up_rows;
};
[[nodiscard]] std::int64_t mlp_backward_floats(std::int64_t hidden, std::int64_t width);

/// d_x (rows, d) = J^T d_out (rows, d), given gate_and_up's outputs.
void mlp_backward(const MlpWeights& w, const float* gate, const float* up, const float* d_out,
                  std::int64_t rows, float* d_x, MlpBackwardScratch& scratch);

}  // namespace strata
