#include "strata/model/product.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "strata/base/error.h"
#include "strata/model/product_kernels.h"

namespace strata {
namespace {

constexpr std::int64_t kInnerWords = 256;     // of one pass: a panel of weights then fits the first cache
constexpr std::int64_t kOuterColumns = 1024;  // outputs of one pass, so that they stay in the second
constexpr std::int64_t kTurnedColumns = 512;  // the same for multiply_transposed
constexpr std::int64_t kChunk = 64;           // words that are packed at once
constexpr std::int64_t kLineWords = 16;

const ProductKernels& kernels_of(ComputeDType dtype) {
  const ProductKernels* kernels = product_kernels(dtype);
  STRATA_CHECK(kernels != nullptr);  // who asks for a mode asks why_not_computed() first
  return *kernels;
}

// Up to kPanelColumns rows of float32 values into interleaved words.
void interleave_rows(ComputeDType dtype, const float* from, std::int64_t stride, std::int64_t rows,
                     std::int64_t columns, std::uint32_t* out, std::int64_t lanes) {
  const ProductKernels& kernels = kernels_of(dtype);
  if (dtype == ComputeDType::float32) {
    kernels.interleave(reinterpret_cast<const std::uint32_t*>(from), stride, rows, columns, out, lanes);
    return;
  }
  std::uint32_t buffer[kPanelColumns * kChunk];  // stays in the first cache
  for (std::int64_t begin = 0; begin < columns; begin += 2 * kChunk) {
    const std::int64_t count = std::min(2 * kChunk, columns - begin);
    for (std::int64_t r = 0; r < rows; ++r) pack_pairs(from + r * stride + begin, count, buffer + r * kChunk);
    kernels.interleave(buffer, kChunk, rows, words_of(dtype, count), out + begin / 2 * lanes, lanes);
  }
}

// The same from the transpose: `lanes` values of each of `columns` rows, one after the other.
void stack_columns(ComputeDType dtype, const float* from, std::int64_t stride, std::int64_t lanes_used,
                   std::int64_t columns, std::uint32_t* out, std::int64_t lanes) {
  if (dtype == ComputeDType::float32) {
    for (std::int64_t k = 0; k < columns; ++k) {
      std::memcpy(out + k * lanes, from + k * stride, static_cast<std::size_t>(lanes_used) * sizeof(float));
    }
    return;
  }
  static const float zero[kPanelColumns] = {};
  for (std::int64_t k = 0; k < columns; k += 2) {
    const float* even = from + k * stride;
    pack_pair_rows(even, k + 1 < columns ? even + stride : zero, lanes_used, out + k / 2 * lanes);
  }
}

struct Tile {
  TileKernel kernel;
  std::int64_t rows, columns;
};

// One tile of the product, the last columns of a matrix too.
void run_tile(const Tile& tile, const std::uint32_t* a, const std::uint32_t* b, std::int64_t words, float* c,
              std::int64_t stride, bool add) {
  if (tile.columns == kPanelColumns) {
    tile.kernel(a, b, words, c, stride, add);
    return;
  }
  float whole[kPanelRows * kPanelColumns];
  tile.kernel(a, b, words, whole, kPanelColumns, false);
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    for (std::int64_t j = 0; j < tile.columns; ++j) {
      float& to = c[r * stride + j];
      to = add ? to + whole[r * kPanelColumns + j] : whole[r * kPanelColumns + j];
    }
  }
}

// All rows of x against one panel of weights: `words` steps from step `begin` of x. `next`, of `next_words`
// words, is what will be read after this; it is fetched meanwhile.
struct Panel {
  const std::uint32_t* b;
  const std::uint32_t* next;
  std::int64_t next_words, begin, words, columns;
};
void run_panel(const ProductKernels& kernels, const PackedRows& x, const Panel& panel, float* c,
               std::int64_t stride, bool add) {
  const std::int64_t panels = (x.rows() + kPanelRows - 1) / kPanelRows;
  const std::int64_t share = (panel.next_words + panels - 1) / panels;
  for (std::int64_t p = 0; p < panels; ++p) {
    const std::int64_t row = p * kPanelRows, height = std::min(kPanelRows, x.rows() - row);
    float* to = c + row * stride;
    for (std::int64_t r = 0; r < height; ++r) {
      __builtin_prefetch(to + r * stride, 1);
      __builtin_prefetch(to + r * stride + std::min<std::int64_t>(16, panel.columns - 1), 1);
    }
    for (std::int64_t w = p * share; w < std::min(panel.next_words, (p + 1) * share); w += kLineWords) {
      __builtin_prefetch(panel.next + w, 0, 2);
    }
    run_tile({kernels.tile[height], height, panel.columns},
             x.data() + row * x.words_per_row() + panel.begin * height, panel.b, panel.words, to, stride,
             add);
  }
}

}  // namespace

std::string why_not_computed(ComputeDType dtype) {
  if (product_kernels(dtype) != nullptr) return {};
  return "this processor has no bfloat16 products (AVX512_BF16)";
}

const char* instruction_set(ComputeDType dtype) {
  return kernels_of(dtype).instruction_set;
}

std::int64_t words_of(ComputeDType dtype, std::int64_t count) {
  return dtype == ComputeDType::float32 ? count : (count + 1) / 2;
}

std::uint64_t packed_bytes(ComputeDType dtype, std::int64_t rows, std::int64_t columns) {
  const std::int64_t panels = (rows + kPanelColumns - 1) / kPanelColumns;
  return static_cast<std::uint64_t>(panels * kPanelColumns * words_of(dtype, columns)) *
         sizeof(std::uint32_t);
}

std::uint64_t packed_rows_bytes(ComputeDType dtype, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::uint64_t>(rows * words_of(dtype, columns)) * sizeof(std::uint32_t);
}

PackedMatrix::PackedMatrix(ComputeDType dtype, std::int64_t rows, std::int64_t columns) {
  reset(dtype, rows, columns);
}

void PackedMatrix::reset(ComputeDType dtype, std::int64_t rows, std::int64_t columns) {
  STRATA_CHECK(rows > 0 && columns > 0);
  if (words_ == nullptr) words_ = std::make_shared<WordBuffer>();
  dtype_ = dtype;
  rows_ = rows;
  columns_ = columns;
  words_per_row_ = words_of(dtype, columns);
  const std::int64_t panels = (rows + kPanelColumns - 1) / kPanelColumns,
                     each = words_per_row_ * kPanelColumns;
  std::uint32_t* words = words_->room(panels * each);
  if (rows % kPanelColumns != 0) std::fill_n(words + (panels - 1) * each, each, 0u);
}

void PackedMatrix::put_rows(std::int64_t first, std::int64_t count, const float* from, std::int64_t stride) {
  STRATA_CHECK(first >= 0 && count >= 0 && first + count <= rows_);
  while (count > 0) {
    const std::int64_t lane = first % kPanelColumns, rows = std::min(count, kPanelColumns - lane);
    std::uint32_t* panel = words_->data() + first / kPanelColumns * words_per_row_ * kPanelColumns + lane;
    interleave_rows(dtype_, from, stride, rows, columns_, panel, kPanelColumns);
    first += rows;
    count -= rows;
    from += rows * stride;
  }
}

void PackedMatrix::put_transposed(const float* from, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows_; row += kPanelColumns) {
    stack_columns(dtype_, from + row, stride, std::min(kPanelColumns, rows_ - row), columns_,
                  words_->data() + row * words_per_row_, kPanelColumns);
  }
}

void PackedMatrix::read_row(std::int64_t row, float* out) const {
  STRATA_CHECK(row >= 0 && row < rows_);
  const std::uint32_t* panel =
      words_->data() + row / kPanelColumns * words_per_row_ * kPanelColumns + row % kPanelColumns;
  for (std::int64_t i = 0; i < columns_; ++i) {
    if (dtype_ == ComputeDType::float32) {
      out[i] = std::bit_cast<float>(panel[i * kPanelColumns]);
    } else {
      const std::uint32_t pair = panel[i / 2 * kPanelColumns];
      out[i] = std::bit_cast<float>(i % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
    }
  }
}

std::vector<float> PackedMatrix::unpack() const {
  std::vector<float> values(static_cast<std::size_t>(rows_ * columns_));
  for (std::int64_t row = 0; row < rows_; ++row) read_row(row, values.data() + row * columns_);
  return values;
}

void PackedRows::reset(ComputeDType dtype, std::int64_t rows, std::int64_t columns) {
  dtype_ = dtype;
  rows_ = rows;
  columns_ = columns;
  words_per_row_ = words_of(dtype, columns);
  words_.room(rows * words_per_row_);
}

void PackedRows::put(const float* from, std::int64_t stride, std::int64_t first, std::int64_t count) {
  const std::int64_t per_word = dtype_ == ComputeDType::float32 ? 1 : 2;
  STRATA_CHECK(first % per_word == 0 && (count % per_word == 0 || first + count == columns_));
  for (std::int64_t row = 0; row < rows_; row += kPanelRows) {
    const std::int64_t height = std::min(kPanelRows, rows_ - row);
    interleave_rows(dtype_, from + row * stride, stride, height, count,
                    words_.data() + row * words_per_row_ + first / per_word * height, height);
  }
}

void PackedRows::put_transposed(const float* from, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows_; row += kPanelRows) {
    const std::int64_t height = std::min(kPanelRows, rows_ - row);
    stack_columns(dtype_, from + row, stride, height, columns_, words_.data() + row * words_per_row_, height);
  }
}

void multiply(const PackedRows& x, const PackedMatrix& w, std::int64_t first, std::int64_t end,
              const ProductOutput& out) {
  STRATA_CHECK(x.dtype() == w.dtype() && x.columns() <= w.columns());
  STRATA_CHECK(first % kPanelColumns == 0 && first <= end && end <= w.rows());
  const ProductKernels& kernels = kernels_of(x.dtype());
  const std::int64_t words = x.words_per_row(),
                     panel_words = words_of(w.dtype(), w.columns()) * kPanelColumns;
  for (std::int64_t outer = first; outer < end; outer += kOuterColumns) {
    const std::int64_t outer_end = std::min(end, outer + kOuterColumns);
    for (std::int64_t begin = 0; begin < words; begin += kInnerWords) {
      const std::int64_t count = std::min(kInnerWords, words - begin);
      for (std::int64_t n = outer; n < outer_end; n += kPanelColumns) {
        const std::uint32_t* b = w.data() + n / kPanelColumns * panel_words + begin * kPanelColumns;
        run_panel(kernels, x,
                  {.b = b,
                   .next = b + panel_words,
                   .next_words = n + kPanelColumns < outer_end ? count * kPanelColumns : 0,
                   .begin = begin,
                   .words = count,
                   .columns = std::min(kPanelColumns, end - n)},
                  out.data + (n - first), out.stride, out.add || begin > 0);
      }
    }
  }
}

void multiply_transposed(const PackedRows& x, const PackedMatrix& w, const ProductOutput& out) {
  STRATA_CHECK(x.dtype() == w.dtype() && x.columns() == w.rows());
  const ProductKernels& kernels = kernels_of(x.dtype());
  const std::int64_t per_word = x.dtype() == ComputeDType::float32 ? 1 : 2;
  const std::int64_t steps = kPanelColumns / per_word;  // of a tile of 32 x 32 values
  const std::int64_t words = x.words_per_row(), stored = words_of(w.dtype(), w.columns());
  thread_local WordBuffer turned;
  std::uint32_t* panel = turned.room(kInnerWords * kPanelColumns);
  std::uint32_t edge[kPanelColumns * kPanelColumns];
  for (std::int64_t outer = 0; outer < w.columns(); outer += kTurnedColumns) {
    const std::int64_t outer_end = std::min(w.columns(), outer + kTurnedColumns);
    for (std::int64_t begin = 0; begin < words; begin += kInnerWords) {
      const std::int64_t count = std::min(kInnerWords, words - begin);
      for (std::int64_t column = outer; column < outer_end; column += kPanelColumns) {
        const std::int64_t from_step = column / per_word;
        for (std::int64_t step = 0; step < count; step += steps) {
          const std::int64_t row_panel = (begin + step) / steps;
          const std::uint32_t* tile = w.data() + (row_panel * stored + from_step) * kPanelColumns;
          if (from_step + steps > stored) {  // the last columns: what is missing is 0
            const std::int64_t there = (stored - from_step) * kPanelColumns;
            std::copy_n(tile, there, edge);
            std::fill(edge + there, edge + steps * kPanelColumns, 0u);
            tile = edge;
          }
          kernels.transpose(tile, panel + step * kPanelColumns);
        }
        run_panel(kernels, x,
                  {.b = panel,
                   .next = nullptr,
                   .next_words = 0,
                   .begin = begin,
                   .words = count,
                   .columns = std::min(kPanelColumns, w.columns() - column)},
                  out.data + column, out.stride, out.add || begin > 0);
      }
    }
  }
}

}  // namespace strata
