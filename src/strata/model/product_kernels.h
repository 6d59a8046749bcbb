// The inner loops of the matrix products, one set for each instruction set. Internal to product.cpp.
#pragma once

#include <cstdint>
#include <span>

#include "strata/model/product.h"

namespace strata {

/// c (rows, 32) = sum over `words` steps of a[step][row] * b[step][column], or added to c. A step is one
/// float32 each, or the two products of a pair of bfloat16. Rows are fixed by the place in the table.
using TileKernel = void (*)(const std::uint32_t* a, const std::uint32_t* b, std::int64_t words, float* c,
                            std::int64_t c_stride, bool add);

/// One tile of 32 rows x 32 columns of a packed matrix, from words [columns][32 rows] to words
/// [rows][32 columns]. Both have 32 steps of 32 words with float32, 16 with bfloat16.
using TransposeTile = void (*)(const std::uint32_t* from, std::uint32_t* to);

/// out[w][r] = rows[r][w] for `count` <= 32 rows of `words` words; words of `out` lie `lanes` apart.
using InterleaveRows = void (*)(const std::uint32_t* rows, std::int64_t row_stride, std::int64_t count,
                                std::int64_t words, std::uint32_t* out, std::int64_t lanes);

struct ProductKernels {
  const char* instruction_set;
  TileKernel tile[kPanelRows + 1];  ///< by the number of rows; [0] unused
  TransposeTile transpose;
  InterleaveRows interleave;
};

/// Those that this processor runs; null for bfloat16 without AVX512_BF16.
[[nodiscard]] const ProductKernels* product_kernels(ComputeDType dtype);
/// All that this processor runs, fastest first, for tests.
[[nodiscard]] std::span<const ProductKernels> all_float32_kernels();

/// Rounds to bfloat16 pairs: word i holds values 2i (low half) and 2i + 1; an odd last one is paired with 0.
void pack_pairs(const float* from, std::int64_t count, std::uint32_t* words);
/// The same of two rows: word i holds even[i] (low half) and odd[i].
void pack_pair_rows(const float* even, const float* odd, std::int64_t count, std::uint32_t* words);

}  // namespace strata
