// What the network is computed on and in, so that options can name it.
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

class Backend;  // backend.h
/// The processor, with strata's own products and row kernels.
[[nodiscard]] const Backend& cpu_backend();

/// Products in `dtype`, by `backend`. States, signals and statistics are the processor's with every one.
struct Compute {
  ComputeDType dtype = ComputeDType::float32;
  const Backend* backend = &cpu_backend();

  Compute() = default;
  Compute(ComputeDType of_products, const Backend& by = cpu_backend()) : dtype(of_products), backend(&by) {}
  [[nodiscard]] Compute in(ComputeDType other) const { return {other, *backend}; }
};

}  // namespace strata
