// Matrix products on operands packed for them: weights once when they are loaded, activations where they are
// written. One thread each.
//
// Every element of a result is one chain of fused multiply-adds over the inner dimension, cut into pieces of
// a fixed length whose sums are added in order. So a row of the result has the same bits whatever the number
// of its neighbours, the threads, or (float32) the processor, given that it has fused multiply-adds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/model/compute.h"
#include "strata/model/words.h"

namespace strata {

inline constexpr std::int64_t kPanelColumns = 32;  ///< outputs that a tile of the product has
inline constexpr std::int64_t kPanelRows = 12;     ///< rows that a tile has, at most

/// Empty where this processor computes such products; else why not, for people.
[[nodiscard]] std::string why_not_computed(ComputeDType dtype);
/// What the products run on: "AVX-512", "AVX-512 BF16", "AVX2" or "scalar".
[[nodiscard]] const char* instruction_set(ComputeDType dtype);

/// 32-bit words that `count` values take along the inner dimension: bfloat16 goes in pairs.
[[nodiscard]] std::int64_t words_of(ComputeDType dtype, std::int64_t count);
/// Bytes of a PackedMatrix (rows, columns).
[[nodiscard]] std::uint64_t packed_bytes(ComputeDType dtype, std::int64_t rows, std::int64_t columns);

/// A matrix (rows, columns) as right operand: outputs are its rows, the inner dimension its columns (or the
/// other way round, multiply_transposed). Copies share the values. Layout: [rows / 32][words of a row][32].
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Values are undefined until they are put.
  PackedMatrix(ComputeDType dtype, std::int64_t rows, std::int64_t columns);
  [[nodiscard]] bool defined() const { return words_ != nullptr; }
  [[nodiscard]] ComputeDType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] std::int64_t size(int dimension) const { return dimension == 0 ? rows_ : columns_; }
  [[nodiscard]] const std::uint32_t* data() const { return words_->data(); }

  /// Gives it another shape, with its memory kept where it suffices; values are undefined then.
  void reset(ComputeDType dtype, std::int64_t rows, std::int64_t columns);
  /// Rows [first, first + count) from `from` (count, columns), row-major, stride in elements. Different rows
  /// may be put at the same time.
  void put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride);
  /// The whole matrix from its transpose (columns, rows).
  void put_transposed(const float* from, std::int64_t stride);
  /// One row, as float32 (exact), to `out` (columns).
  void read_row(std::int64_t row, float* out) const;
  /// All of it: (rows, columns), row-major.
  [[nodiscard]] std::vector<float> unpack() const;

 private:
  ComputeDType dtype_ = ComputeDType::float32;
  std::int64_t rows_ = 0, columns_ = 0, words_per_row_ = 0;
  std::shared_ptr<WordBuffer> words_;
};

/// A matrix (rows, columns) as left operand, inner dimension along its columns. Layout: panels of up to
/// kPanelRows rows, each [words of a row][rows of the panel]. Memory is reused between shapes.
class PackedRows {
 public:
  void reset(ComputeDType dtype, std::int64_t rows, std::int64_t columns);
  [[nodiscard]] ComputeDType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] std::int64_t words_per_row() const { return words_per_row_; }
  [[nodiscard]] const std::uint32_t* data() const { return words_.data(); }

  /// Columns [first, first + count) of every row from `from` (rows, count). With bfloat16 `first` must be
  /// even, and `count` too unless the columns end there.
  void put(const float* from, std::int64_t stride, std::int64_t first, std::int64_t count);
  /// Everything from `from` (rows, columns).
  void put(const float* from, std::int64_t stride) { put(from, stride, 0, columns_); }
  /// Everything from the transpose (columns, rows).
  void put_transposed(const float* from, std::int64_t stride);

 private:
  ComputeDType dtype_ = ComputeDType::float32;
  std::int64_t rows_ = 0, columns_ = 0, words_per_row_ = 0;
  WordBuffer words_;
};

/// Bytes of a PackedRows.
[[nodiscard]] std::uint64_t packed_rows_bytes(ComputeDType dtype, std::int64_t rows, std::int64_t columns);

/// Where a product goes.
struct ProductOutput {
  float* data = nullptr;
  std::int64_t stride = 0;  ///< of a row, in elements
  bool add = false;         ///< to what is there, instead of replacing it
};

/// out (x.rows, end - first) = x * w[first, end)^T over x.columns <= w.columns values; `first` a multiple of
/// kPanelColumns.
void multiply(const PackedRows& x, const PackedMatrix& w, std::int64_t first, std::int64_t end,
              const ProductOutput& out);
inline void multiply(const PackedRows& x, const PackedMatrix& w, const ProductOutput& out) {
  multiply(x, w, 0, w.rows(), out);
}

/// out (x.rows, w.columns) = x (rows, w.rows) * w.
void multiply_transposed(const PackedRows& x, const PackedMatrix& w, const ProductOutput& out);

/// To the nearest bfloat16, ties to even, as float32.
[[nodiscard]] float round_to_bfloat16(float value);

}  // namespace strata
