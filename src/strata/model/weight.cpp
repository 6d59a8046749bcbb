#include "strata/model/weight.h"

#include <utility>

#include "strata/base/error.h"

namespace strata {

Weight::Weight(Compute compute, std::int64_t rows, std::int64_t columns)
    : stored_(compute.backend->make_matrix(compute.dtype, rows, columns)) {
  if (!stored_) packed_ = PackedMatrix(compute.dtype, rows, columns);
}

void Weight::put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) {
  if (!stored_) return packed_.put_rows(first, count, from, stride);
  stored_->put_rows(first, count, from, stride);
}

void Weight::read_row(std::int64_t row, float* out) const {
  if (!stored_) return packed_.read_row(row, out);
  stored_->read_row(row, out);
}

std::vector<float> Weight::unpack() const {
  if (!stored_) return packed_.unpack();
  std::vector<float> values(static_cast<std::size_t>(rows() * columns()));
  for (std::int64_t row = 0; row < rows(); ++row) read_row(row, values.data() + row * columns());
  return values;
}

const PackedMatrix& Weight::packed() const {
  STRATA_CHECK(packed_.defined());
  return packed_;
}

const BackendMatrix& Weight::stored() const {
  STRATA_CHECK(stored_ != nullptr);
  return *stored_;
}

WeightVector::WeightVector(std::vector<float> of, const Backend& backend) : values(std::move(of)) {
  const auto count = static_cast<std::int64_t>(values.size());
  const std::shared_ptr<BackendMatrix> row = backend.make_matrix(ComputeDType::float32, 1, count);
  if (row) row->put_rows(0, 1, values.data(), count);
  stored = row;
}

}  // namespace strata
