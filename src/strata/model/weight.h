// A weight matrix where its products are computed: packed for our own, or a tensor of LibTorch's device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "strata/model/compute.h"
#include "strata/model/product.h"

namespace strata {

/// (rows, columns); outputs are its rows. Copies share the values.
class Weight {
 public:
  Weight() = default;
  Weight(PackedMatrix packed) : packed_(std::move(packed)) {}
  /// Values are undefined until they are put. Throws Error(out_of_memory) where the device has no room.
  Weight(Compute compute, std::int64_t rows, std::int64_t columns);

  [[nodiscard]] bool defined() const { return packed_.defined() || tensor_.defined(); }
  [[nodiscard]] bool on_torch() const { return tensor_.defined(); }
  [[nodiscard]] Compute compute() const;
  [[nodiscard]] ComputeDType dtype() const { return compute().dtype; }
  [[nodiscard]] std::int64_t rows() const { return on_torch() ? tensor_.size(0) : packed_.rows(); }
  [[nodiscard]] std::int64_t columns() const { return on_torch() ? tensor_.size(1) : packed_.columns(); }

  /// As PackedMatrix's.
  void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride);
  void read_row(std::int64_t row, float* out) const;
  [[nodiscard]] std::vector<float> unpack() const;

  /// The one that it is; a bug fails a check.
  [[nodiscard]] const PackedMatrix& packed() const;
  [[nodiscard]] const at::Tensor& tensor() const;

 private:
  PackedMatrix packed_;
  at::Tensor tensor_;
  Device device_ = Device::cpu;
};

}  // namespace strata
