// Weights where they are computed with: packed for the processor, or in the memory of another backend.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "strata/model/backend.h"
#include "strata/model/product.h"

namespace strata {

/// A matrix (rows, columns); outputs are its rows. Copies share the values.
class Weight {
 public:
  Weight() = default;
  Weight(PackedMatrix packed) : packed_(std::move(packed)) {}
  /// Values are undefined until they are put. Throws Error(out_of_memory) where the device has no room.
  Weight(Compute compute, std::int64_t rows, std::int64_t columns);

  [[nodiscard]] bool defined() const { return packed_.defined() || stored_ != nullptr; }
  [[nodiscard]] const Backend& backend() const { return stored_ ? stored_->backend() : cpu_backend(); }
  [[nodiscard]] ComputeDType dtype() const { return stored_ ? stored_->dtype() : packed_.dtype(); }
  [[nodiscard]] Compute compute() const { return {dtype(), backend()}; }
  [[nodiscard]] std::int64_t rows() const { return stored_ ? stored_->rows() : packed_.rows(); }
  [[nodiscard]] std::int64_t columns() const { return stored_ ? stored_->columns() : packed_.columns(); }

  /// As PackedMatrix's.
  void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride);
  void read_row(std::int64_t row, float* out) const;
  [[nodiscard]] std::vector<float> unpack() const;

  /// The one that it is; a bug fails a check.
  [[nodiscard]] const PackedMatrix& packed() const;
  [[nodiscard]] const BackendMatrix& stored() const;

 private:
  PackedMatrix packed_;
  std::shared_ptr<BackendMatrix> stored_;
};

/// A vector (norm weights, a bias) in float32, in the processor's memory, and once more as the one row of
/// `stored` for a backend that keeps weights of its own.
struct WeightVector {
  std::vector<float> values;
  std::shared_ptr<const BackendMatrix> stored;

  WeightVector() = default;
  WeightVector(std::vector<float> of, const Backend& backend);
  [[nodiscard]] bool defined() const { return !values.empty(); }
  [[nodiscard]] const float* data() const { return values.data(); }
};

}  // namespace strata
