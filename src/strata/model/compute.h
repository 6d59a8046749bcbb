// What the network is computed on and in; free of LibTorch, so that options can name it.
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

/// Where blocks and logits are computed. States, signals and statistics are the processor's with every one.
enum class Device {
  cpu,        ///< strata's own products and row kernels
  torch_cpu,  ///< LibTorch's operations on the processor: the code that `cuda` runs, where no GPU is
  cuda,       ///< LibTorch's operations on the current CUDA device
};

[[nodiscard]] constexpr const char* to_string(Device device) {
  return device == Device::cpu ? "cpu" : device == Device::cuda ? "cuda" : "torch-cpu";
}

/// Products in `dtype` on `device`.
struct Compute {
  ComputeDType dtype = ComputeDType::float32;
  Device device = Device::cpu;

  constexpr Compute() = default;
  constexpr Compute(ComputeDType of_products, Device on = Device::cpu) : dtype(of_products), device(on) {}
  [[nodiscard]] constexpr Compute in(ComputeDType other) const { return {other, device}; }
};

}  // namespace strata
