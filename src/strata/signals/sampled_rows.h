// The rows that every state has at one sample of positions, kept for signals that work on them at the end:
// which tokens are sinks is known only then. One table, whatever the number of signals that look at it.
#pragma once

#include <cstdint>
#include <span>

#include "strata/signals/document_sample.h"

namespace strata {

/// Where rows do not fit in memory they wait in a file (SweepContext::place).
class SampledRows final : public Accumulator {
 public:
  explicit SampledRows(const SweepContext& context);

  [[nodiscard]] const DocumentSample& sample() const { return sample_; }
  /// Row `row` of the sample's table at a state, (hidden).
  void read(std::size_t state, std::size_t row, std::span<float> out) const;
  /// The same divided by its RMS, as the next block reads it; zeros stay zeros.
  void read_scaled(std::size_t state, std::size_t row, std::span<float> out) const;
  /// Whether a row of the table has a direction at every state.
  [[nodiscard]] bool has_direction(std::size_t row) const { return zero_[row] == 0; }

  void observe_state(const StateView& view) override;
  void persist(Archive& archive) override {
    archive(rows_);
    archive.sized(zero_);
  }
  void finish(const FinishContext&) override {}

  /// SweepContext::positions, from as many documents as have 64 each.
  [[nodiscard]] static SampleSize size(const SweepContext& context);
  /// Rows of the table.
  [[nodiscard]] static std::int64_t table_rows(const SweepContext& context);
  /// Bytes that all states' rows, and what is kept of each, take in memory.
  [[nodiscard]] static std::uint64_t memory_bytes(const SweepContext& context);

 private:
  std::size_t width_;
  DocumentSample sample_;
  StateStore rows_;         // slot = state: (sampled rows, d)
  std::vector<char> zero_;  // per row: 1 = all zeros at some state
};

}  // namespace strata
