#include "strata/model/weight.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "strata/base/error.h"
#include "strata/model/device.h"

namespace strata {

Weight::Weight(Compute compute, std::int64_t rows, std::int64_t columns) : device_(compute.device) {
  if (device_ == Device::cpu) {
    packed_ = PackedMatrix(compute.dtype, rows, columns);
    return;
  }
  const auto dtype = compute.dtype == ComputeDType::float32 ? at::kFloat : at::kBFloat16;
  on_device([&] {
    tensor_ = at::empty({rows, columns}, at::TensorOptions(dtype).device(torch_device(device_)));
  });
}

Compute Weight::compute() const {
  if (!on_torch()) return {packed_.dtype()};
  return {tensor_.scalar_type() == at::kFloat ? ComputeDType::float32 : ComputeDType::bfloat16, device_};
}

void Weight::put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) {
  if (!on_torch()) return packed_.put_rows(first, count, from, stride);
  // from_blob asks for a pointer that may be written to; copy_ only reads it.
  const at::Tensor rows =
      at::from_blob(const_cast<float*>(from), {count, columns()}, {stride, 1}, at::kFloat);
  on_device([&] { tensor_.narrow(0, first, count).copy_(rows); });
}

void Weight::read_row(std::int64_t row, float* out) const {
  if (!on_torch()) return packed_.read_row(row, out);
  on_device([&] { at::from_blob(out, {columns()}, at::kFloat).copy_(tensor_.select(0, row)); });
}

std::vector<float> Weight::unpack() const {
  if (!on_torch()) return packed_.unpack();
  std::vector<float> values(static_cast<std::size_t>(rows() * columns()));
  on_device([&] { at::from_blob(values.data(), tensor_.sizes(), at::kFloat).copy_(tensor_); });
  return values;
}

const PackedMatrix& Weight::packed() const {
  STRATA_CHECK(packed_.defined());
  return packed_;
}

const at::Tensor& Weight::tensor() const {
  STRATA_CHECK(tensor_.defined());
  return tensor_;
}

}  // namespace strata
