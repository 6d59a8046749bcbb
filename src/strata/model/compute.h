// The two modes of computing; free of LibTorch, so that options can name them.
#pragma once

namespace strata {

/// How matrix products are computed. Everything between them (residual stream, norms, rope, softmax,
/// SwiGLU, every reduction) is float32 or wider in both modes.
enum class ComputeDType {
  float32,   ///< float32 operands
  bfloat16,  ///< operands rounded to bfloat16, products and sums in float32
};

[[nodiscard]] constexpr const char* to_string(ComputeDType dtype) {
  return dtype == ComputeDType::float32 ? "float32" : "bfloat16";
}

}  // namespace strata
