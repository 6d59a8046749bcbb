// Weights as tensors on one of LibTorch's devices.
#pragma once

#include <ATen/core/Tensor.h>

#include "strata/model/weight.h"

namespace strata {

class TorchMatrix final : public BackendMatrix {
 public:
  TorchMatrix(const Backend& backend, c10::DeviceType device, ComputeDType dtype, std::int64_t rows,
              std::int64_t columns);
  [[nodiscard]] const Backend& backend() const override { return backend_; }
  [[nodiscard]] ComputeDType dtype() const override { return dtype_; }
  [[nodiscard]] std::int64_t rows() const override { return tensor_.size(0); }
  [[nodiscard]] std::int64_t columns() const override { return tensor_.size(1); }
  void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) override;
  void read_row(std::int64_t row, float* out) const override;
  [[nodiscard]] const at::Tensor& tensor() const { return tensor_; }

 private:
  const Backend& backend_;
  ComputeDType dtype_;
  at::Tensor tensor_;
};

/// (rows, columns), of a weight that a TorchMatrix holds.
[[nodiscard]] const at::Tensor& tensor_of(const Weight& weight);
/// (count).
[[nodiscard]] at::Tensor tensor_of(const WeightVector& vector);

}  // namespace strata
