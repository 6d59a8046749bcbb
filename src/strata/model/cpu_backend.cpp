#include "strata/model/cpu_backend.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "strata/base/parallel.h"
#include "strata/model/product.h"

namespace strata {
namespace {

class CpuBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "cpu"; }
  [[nodiscard]] std::string why_not(ComputeDType dtype) const override { return why_not_computed(dtype); }
  [[nodiscard]] std::shared_ptr<BackendMatrix> make_matrix(ComputeDType, std::int64_t,
                                                           std::int64_t) const override {
    return nullptr;
  }

  void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                     BlockScratch& scratch) const override {
    cpu::forward_block(weights, rope, windows, scratch);
  }
  void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                      std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                      const BackwardOptions& options) const override {
    cpu::backward_block(weights, rope, h, gradients, tokens, scratch, options);
  }
  void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                      float* logits, LogitScratch& scratch) const override {
    cpu::compute_logits(head, config, h, rows, logits, scratch);
  }
  void visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    LogitScratch& scratch, const LogitVisitor& visit) const override {
    cpu::visit_logits(head, config, h, rows, scratch, visit);
  }
  void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                       const float* d_logits, float* d_h, LogitScratch& scratch) const override {
    cpu::backward_logits(head, config, h, rows, d_logits, d_h, scratch);
  }

  [[nodiscard]] double rate(ComputeDType dtype, std::int64_t rows, std::int64_t depth, std::int64_t columns,
                            double seconds, int threads) const override {
    const std::vector<float> zero(static_cast<std::size_t>(std::max(columns, rows) * depth));
    PackedMatrix weight(dtype, columns, depth);
    weight.put_rows(0, columns, zero.data(), depth);
    std::vector<double> each(static_cast<std::size_t>(threads));
    parallel_for(each.size(), threads, [&](std::size_t i) {
      PackedRows x;
      std::vector<float> out(static_cast<std::size_t>(rows * columns));
      const auto start = std::chrono::steady_clock::now();
      double elapsed = 0.0, work = 0.0;
      while (elapsed < seconds) {
        x.reset(dtype, rows, depth);
        x.put(zero.data(), depth);
        multiply(x, weight, {.data = out.data(), .stride = columns});
        work += 2.0 * static_cast<double>(rows * depth * columns);
        elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
      each[i] = work / elapsed;
    });
    return std::accumulate(each.begin(), each.end(), 0.0);
  }
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace strata
