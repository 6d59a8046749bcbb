#include "strata/backends/torch/torch_backend.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <torch/version.h>

#include <chrono>

#include "strata/backends/torch/torch_block.h"
#include "strata/backends/torch/torch_device.h"
#include "strata/backends/torch/torch_matrix.h"
#include "strata/base/error.h"

namespace strata {
namespace {

at::TensorOptions options_of(ComputeDType dtype, c10::DeviceType device) {
  return at::TensorOptions(dtype == ComputeDType::float32 ? at::kFloat : at::kBFloat16).device(device);
}

class TorchBackend final : public Backend {
 public:
  TorchBackend(std::string_view name, c10::DeviceType device) : name_(name), device_(device) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::string why_not(ComputeDType) const override { return why_no_device(device_); }
  [[nodiscard]] std::string built_with() const override { return std::string("LibTorch ") + TORCH_VERSION; }
  [[nodiscard]] std::uint64_t library_bytes() const override { return 160ull << 20; }
  void prepare() const override { prepare_device(device_); }
  [[nodiscard]] std::shared_ptr<BackendMatrix> make_matrix(ComputeDType dtype, std::int64_t rows,
                                                           std::int64_t columns) const override {
    return std::make_shared<TorchMatrix>(*this, device_, dtype, rows, columns);
  }

  void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                     BlockScratch&) const override {
    for (const auto& [h_in, h_out, tokens, hooks] : windows)
      torch_forward_block(weights, rope, h_in, h_out, tokens, hooks);
  }
  void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                      std::span<float* const> gradients, std::int64_t tokens, BackwardScratch&,
                      const BackwardOptions& options) const override {
    torch_backward_block(weights, rope, h, gradients, tokens, options);
  }
  void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                      float* logits, LogitScratch& scratch) const override {
    torch_logits(head, config, h, rows, logits, scratch.normed.data());
  }
  void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                       const float* d_logits, float* d_h, LogitScratch&) const override {
    torch_backward_logits(head, config, h, rows, d_logits, d_h);
  }

  [[nodiscard]] double rate(ComputeDType dtype, std::int64_t rows, std::int64_t depth, std::int64_t columns,
                            double seconds, int) const override {
    double work = 0.0, elapsed = 0.0;
    on_device([&] {
      const auto options = options_of(dtype, device_);
      const at::Tensor x = at::zeros({rows, depth}, options), w = at::zeros({columns, depth}, options);
      const auto last = [&] { return at::linear(x, w).select(0, 0).select(0, 0).to(at::kCPU); };
      (void)last();  // the device starts up
      const auto start = std::chrono::steady_clock::now();
      while (elapsed < seconds) {
        constexpr int kInFlight = 16;  // products between two looks at the clock
        for (int i = 1; i < kInFlight; ++i) (void)at::linear(x, w);
        (void)last();
        work += kInFlight * 2.0 * static_cast<double>(rows * depth * columns);
        elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
    });
    return work / elapsed;
  }

 private:
  std::string_view name_;
  c10::DeviceType device_;
};

}  // namespace

TorchMatrix::TorchMatrix(const Backend& backend, c10::DeviceType device, ComputeDType dtype,
                         std::int64_t rows, std::int64_t columns)
    : backend_(backend), dtype_(dtype) {
  on_device([&] { tensor_ = at::empty({rows, columns}, options_of(dtype, device)); });
}

void TorchMatrix::put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) {
  // from_blob asks for a pointer that may be written to; copy_ only reads it.
  const at::Tensor rows =
      at::from_blob(const_cast<float*>(from), {count, columns()}, {stride, 1}, at::kFloat);
  on_device([&] { tensor_.narrow(0, first, count).copy_(rows); });
}

void TorchMatrix::read_row(std::int64_t row, float* out) const {
  on_device([&] { at::from_blob(out, {columns()}, at::kFloat).copy_(tensor_.select(0, row)); });
}

const at::Tensor& tensor_of(const Weight& weight) {
  return dynamic_cast<const TorchMatrix&>(weight.stored()).tensor();
}

at::Tensor tensor_of(const WeightVector& vector) {
  STRATA_CHECK(vector.stored != nullptr);
  return dynamic_cast<const TorchMatrix&>(*vector.stored).tensor().select(0, 0);
}

const Backend& cuda_backend() {
  static const TorchBackend backend("cuda", c10::kCUDA);
  return backend;
}

const Backend& torch_cpu_backend() {
  static const TorchBackend backend("torch-cpu", c10::kCPU);
  return backend;
}

}  // namespace strata
