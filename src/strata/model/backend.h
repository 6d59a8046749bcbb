// The seam between the engine and what computes blocks and logits. States stay in the processor's memory with
// every backend; a window's numbers depend on that window alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/model/compute.h"

namespace strata {

struct ModelConfig;
struct RopeTable;
struct BlockWeights;
struct BlockPass;
struct BlockScratch;
struct BackwardScratch;
struct BackwardOptions;
struct HeadWeights;
struct LogitScratch;

/// A weight matrix (rows, columns) in a backend's own memory.
class BackendMatrix {
 public:
  virtual ~BackendMatrix() = default;
  [[nodiscard]] virtual const Backend& backend() const = 0;
  [[nodiscard]] virtual ComputeDType dtype() const = 0;
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  [[nodiscard]] virtual std::int64_t columns() const = 0;
  /// As PackedMatrix's.
  virtual void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) = 0;
  virtual void read_row(std::int64_t row, float* out) const = 0;
};

/// What computes. Calls come from several threads at once.
class Backend {
 public:
  virtual ~Backend() = default;
  /// The word of --device.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// What it is built with, like "LibTorch 1.13.1"; empty for strata's own.
  [[nodiscard]] virtual std::string built_with() const { return {}; }
  /// Empty where this machine computes products of `dtype` with it; else why not, for people.
  [[nodiscard]] virtual std::string why_not(ComputeDType dtype) const = 0;
  /// Memory that its libraries take beside the program.
  [[nodiscard]] virtual std::uint64_t library_bytes() const { return 0; }
  /// Settings of the device, before the first work on it.
  virtual void prepare() const {}
  /// Values are undefined until they are put. None for a backend that multiplies PackedMatrix.
  [[nodiscard]] virtual std::shared_ptr<BackendMatrix> make_matrix(ComputeDType dtype, std::int64_t rows,
                                                                   std::int64_t columns) const = 0;

  /// As the free functions of block.h, backward.h and head.h, for weights of this backend. A backend that
  /// gains nothing from several windows at once computes one after the other.
  virtual void forward_block(const BlockWeights& weights, const RopeTable& rope,
                             std::span<const BlockPass> windows, BlockScratch& scratch) const = 0;
  virtual void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                              std::span<float* const> gradients, std::int64_t tokens,
                              BackwardScratch& scratch, const BackwardOptions& options) const = 0;
  virtual void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                              std::int64_t rows, float* logits, LogitScratch& scratch) const = 0;
  /// As the free function of head.h; by compute_logits, for a backend that has all logits at once.
  virtual void visit_logits(
      const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
      LogitScratch& scratch,
      const std::function<void(std::int64_t, std::int64_t, const float*, std::int64_t)>& visit) const;
  virtual void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                               std::int64_t rows, const float* d_logits, float* d_h,
                               LogitScratch& scratch) const = 0;

  /// Multiply-adds (times two) per second of (rows, depth) * (depth, columns) on `threads` threads, measured
  /// for `seconds`.
  [[nodiscard]] virtual double rate(ComputeDType dtype, std::int64_t rows, std::int64_t depth,
                                    std::int64_t columns, double seconds, int threads) const = 0;
};

/// Memory that the program takes before it opens a model, measured: what every plan begins with.
[[nodiscard]] std::uint64_t program_bytes();

/// Adds a backend that lives as long as the program; once for each name, before the first use of any.
void add_backend(const Backend& backend);
/// All that there are, the processor first.
[[nodiscard]] std::vector<const Backend*> backends();
/// One by its name. Throws Error(unsupported) that says which there are.
[[nodiscard]] const Backend& backend_named(std::string_view name);

/// Throws Error(unsupported) where the backend or the dtype cannot be used here, naming what is missing, and
/// prepares the backend.
void require_compute(Compute compute);

}  // namespace strata
