#include "strata/model/product_kernels.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "strata/base/vectorise.h"

// GCC 12's own intrinsics trip it where they mean "any value" (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace strata {
namespace {

constexpr int kColumns = static_cast<int>(kPanelColumns);
constexpr int kRows = static_cast<int>(kPanelRows);

// Vectors of a tile live in registers only when every loop over them is unrolled.
#define STRATA_UNROLL _Pragma("GCC unroll 12")

template <int H>
__attribute__((target("avx512f"))) void tile_avx512(const std::uint32_t* a, const std::uint32_t* b,
                                                    std::int64_t words, float* c, std::int64_t c_stride,
                                                    bool add) {
  __m512 low[H], high[H];
  STRATA_UNROLL for (int r = 0; r < H; ++r) low[r] = high[r] = _mm512_setzero_ps();
  for (std::int64_t k = 0; k < words; ++k, a += H, b += kColumns) {
    const __m512 b_low = _mm512_loadu_ps(b), b_high = _mm512_loadu_ps(b + 16);
    STRATA_UNROLL for (int r = 0; r < H; ++r) {
      const __m512 value = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(a[r])));
      low[r] = _mm512_fmadd_ps(value, b_low, low[r]);
      high[r] = _mm512_fmadd_ps(value, b_high, high[r]);
    }
  }
  STRATA_UNROLL for (int r = 0; r < H; ++r, c += c_stride) {
    if (add) {
      low[r] = _mm512_add_ps(_mm512_loadu_ps(c), low[r]);
      high[r] = _mm512_add_ps(_mm512_loadu_ps(c + 16), high[r]);
    }
    _mm512_storeu_ps(c, low[r]);
    _mm512_storeu_ps(c + 16, high[r]);
  }
}

template <int H>
__attribute__((target("avx512f,avx512bw,avx512bf16"))) void tile_avx512_bf16(const std::uint32_t* a,
                                                                             const std::uint32_t* b,
                                                                             std::int64_t words, float* c,
                                                                             std::int64_t c_stride,
                                                                             bool add) {
  __m512 low[H], high[H];
  STRATA_UNROLL for (int r = 0; r < H; ++r) low[r] = high[r] = _mm512_setzero_ps();
  for (std::int64_t k = 0; k < words; ++k, a += H, b += kColumns) {
    const __m512bh b_low = (__m512bh)_mm512_loadu_si512(b), b_high = (__m512bh)_mm512_loadu_si512(b + 16);
    STRATA_UNROLL for (int r = 0; r < H; ++r) {
      const __m512bh pair = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[r]));
      low[r] = _mm512_dpbf16_ps(low[r], pair, b_low);
      high[r] = _mm512_dpbf16_ps(high[r], pair, b_high);
    }
  }
  STRATA_UNROLL for (int r = 0; r < H; ++r, c += c_stride) {
    if (add) {
      low[r] = _mm512_add_ps(_mm512_loadu_ps(c), low[r]);
      high[r] = _mm512_add_ps(_mm512_loadu_ps(c + 16), high[r]);
    }
    _mm512_storeu_ps(c, low[r]);
    _mm512_storeu_ps(c + 16, high[r]);
  }
}

// R rows of a panel of `height`, 16 columns: as many accumulators as AVX2 has registers for.
template <int R>
__attribute__((target("avx2,fma"))) void part_avx2(const std::uint32_t* a, std::int64_t height,
                                                   const std::uint32_t* b, std::int64_t words, float* c,
                                                   std::int64_t c_stride, bool add) {
  __m256 low[R], high[R];
  STRATA_UNROLL for (int r = 0; r < R; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (std::int64_t k = 0; k < words; ++k, a += height, b += kColumns) {
    const __m256 b_low = _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    const __m256 b_high = _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 8)));
    STRATA_UNROLL for (int r = 0; r < R; ++r) {
      const __m256 value = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(a[r])));
      low[r] = _mm256_fmadd_ps(value, b_low, low[r]);
      high[r] = _mm256_fmadd_ps(value, b_high, high[r]);
    }
  }
  STRATA_UNROLL for (int r = 0; r < R; ++r, c += c_stride) {
    if (add) {
      low[r] = _mm256_add_ps(_mm256_loadu_ps(c), low[r]);
      high[r] = _mm256_add_ps(_mm256_loadu_ps(c + 8), high[r]);
    }
    _mm256_storeu_ps(c, low[r]);
    _mm256_storeu_ps(c + 8, high[r]);
  }
}

template <int H>
void tile_avx2(const std::uint32_t* a, const std::uint32_t* b, std::int64_t words, float* c,
               std::int64_t c_stride, bool add) {
  constexpr int kFirst = H < 6 ? H : 6, kSecond = H - kFirst;
  for (int column = 0; column < kColumns; column += 16) {
    part_avx2<kFirst>(a, H, b + column, words, c + column, c_stride, add);
    if constexpr (kSecond > 0) {
      part_avx2<kSecond>(a + kFirst, H, b + column, words, c + kFirst * c_stride + column, c_stride, add);
    }
  }
}

// Without fused multiply-adds: the same sums in the same order, each step rounded twice.
template <int H>
void tile_scalar(const std::uint32_t* a, const std::uint32_t* b, std::int64_t words, float* c,
                 std::int64_t c_stride, bool add) {
  float sums[H][kColumns] = {};
  for (std::int64_t k = 0; k < words; ++k, a += H, b += kColumns) {
    for (int r = 0; r < H; ++r) {
      const auto value = std::bit_cast<float>(a[r]);
      for (int j = 0; j < kColumns; ++j) sums[r][j] += value * std::bit_cast<float>(b[j]);
    }
  }
  for (int r = 0; r < H; ++r, c += c_stride) {
    for (int j = 0; j < kColumns; ++j) c[j] = add ? c[j] + sums[r][j] : sums[r][j];
  }
}

// Turns 16 x 16 words that lie in 16 registers.
__attribute__((target("avx512f"), always_inline)) inline void turn16(__m512i* x) {
  __m512i y[16];
  // Pairs of words, pairs of pairs, then quarters of the registers.
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
  }
}

// to[r][c] = from[c][r] for 16 x 16 words; strides in words.
__attribute__((target("avx512f"))) void transpose16(const std::uint32_t* from, std::int64_t from_stride,
                                                    std::uint32_t* to, std::int64_t to_stride) {
  __m512i x[16];
  STRATA_UNROLL for (int i = 0; i < 12; ++i) x[i] = _mm512_loadu_si512(from + i * from_stride);
  for (int i = 12; i < 16; ++i) x[i] = _mm512_loadu_si512(from + i * from_stride);
  turn16(x);
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * to_stride, x[i]);
}

// The same for `rows` x `words` words of `from`, each at most 16.
__attribute__((target("avx512f"))) void transpose_part16(const std::uint32_t* from, std::int64_t from_stride,
                                                         std::int64_t rows, std::int64_t words,
                                                         std::uint32_t* to, std::int64_t to_stride) {
  const auto there = static_cast<__mmask16>((1u << words) - 1u),
             used = static_cast<__mmask16>((1u << rows) - 1u);
  __m512i x[16];
  for (int i = 0; i < 16; ++i) {
    x[i] = i < rows ? _mm512_maskz_loadu_epi32(there, from + i * from_stride) : _mm512_setzero_si512();
  }
  turn16(x);
  for (int i = 0; i < 16; ++i) {
    if (i < words) _mm512_mask_storeu_epi32(to + i * to_stride, used, x[i]);
  }
}

void interleave_avx512(const std::uint32_t* rows, std::int64_t row_stride, std::int64_t count,
                       std::int64_t words, std::uint32_t* out, std::int64_t lanes) {
  for (std::int64_t w = 0; w < words; w += 16) {
    for (std::int64_t r = 0; r < count; r += 16) {
      const std::int64_t height = std::min<std::int64_t>(16, count - r),
                         width = std::min<std::int64_t>(16, words - w);
      const std::uint32_t* from = rows + r * row_stride + w;
      std::uint32_t* to = out + w * lanes + r;
      if (height == 16 && width == 16) {
        transpose16(from, row_stride, to, lanes);
      } else {
        transpose_part16(from, row_stride, height, width, to, lanes);
      }
    }
  }
}

void interleave_scalar(const std::uint32_t* rows, std::int64_t row_stride, std::int64_t count,
                       std::int64_t words, std::uint32_t* out, std::int64_t lanes) {
  for (std::int64_t w = 0; w < words; ++w) {
    for (std::int64_t r = 0; r < count; ++r)
      std::memcpy(out + w * lanes + r, rows + r * row_stride + w,
                  sizeof(std::uint32_t));  // they may be floats
  }
}

// to[r][c] = from[c][r] for 8 x 8 words.
__attribute__((target("avx2"))) void transpose8(const std::uint32_t* from, std::int64_t from_stride,
                                                std::uint32_t* to, std::int64_t to_stride) {
  __m256i x[8], y[8];
  STRATA_UNROLL for (int i = 0; i < 8; ++i) {
    x[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * from_stride));
  }
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    x[i] = _mm256_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm256_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm256_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm256_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  STRATA_UNROLL for (int i = 0; i < 4; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * to_stride),
                        _mm256_permute2x128_si256(x[i], x[i + 4], 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (i + 4) * to_stride),
                        _mm256_permute2x128_si256(x[i], x[i + 4], 0x31));
  }
}

void interleave_avx2(const std::uint32_t* rows, std::int64_t row_stride, std::int64_t count,
                     std::int64_t words, std::uint32_t* out, std::int64_t lanes) {
  for (std::int64_t w = 0; w < words; w += 8) {
    for (std::int64_t r = 0; r < count; r += 8) {
      const std::int64_t height = std::min<std::int64_t>(8, count - r),
                         width = std::min<std::int64_t>(8, words - w);
      const std::uint32_t* from = rows + r * row_stride + w;
      std::uint32_t* to = out + w * lanes + r;
      if (height == 8 && width == 8) {
        transpose8(from, row_stride, to, lanes);
      } else {
        interleave_scalar(from, row_stride, height, width, to, lanes);
      }
    }
  }
}

void transpose_avx512(const std::uint32_t* from, std::uint32_t* to) {
  for (int row = 0; row < kColumns; row += 16) {
    for (int column = 0; column < kColumns; column += 16) {
      transpose16(from + column * kColumns + row, kColumns, to + row * kColumns + column, kColumns);
    }
  }
}

void transpose_scalar(const std::uint32_t* from, std::uint32_t* to) {
  for (int row = 0; row < kColumns; ++row) {
    for (int column = 0; column < kColumns; ++column)
      to[row * kColumns + column] = from[column * kColumns + row];
  }
}

// from: words [16 pairs of columns][32 rows]; to: words [16 pairs of rows][32 columns].
__attribute__((target("avx512f,avx512bw"))) void transpose_pairs(const std::uint32_t* from,
                                                                 std::uint32_t* to) {
  alignas(64) std::uint32_t rows[kColumns * 16];  // [32 rows][16 pairs of columns]
  transpose16(from, kColumns, rows, 16);
  transpose16(from + 16, kColumns, rows + 16 * 16, 16);
  alignas(64) std::uint16_t order[2][32];  // values 0, 0', 1, 1' ... of two rows; the second half of them
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 16; ++i) {
      order[half][2 * i] = static_cast<std::uint16_t>(16 * half + i);
      order[half][2 * i + 1] = static_cast<std::uint16_t>(32 + 16 * half + i);
    }
  }
  const __m512i first = _mm512_load_si512(order[0]), second = _mm512_load_si512(order[1]);
  for (int pair = 0; pair < 16; ++pair) {
    const __m512i a = _mm512_load_si512(rows + 2 * pair * 16),
                  b = _mm512_load_si512(rows + (2 * pair + 1) * 16);
    _mm512_storeu_si512(to + pair * kColumns, _mm512_permutex2var_epi16(a, first, b));
    _mm512_storeu_si512(to + pair * kColumns + 16, _mm512_permutex2var_epi16(a, second, b));
  }
}

#undef STRATA_UNROLL

template <int... I>
constexpr ProductKernels avx512_kernels(std::integer_sequence<int, I...>) {
  return {"AVX-512", {nullptr, tile_avx512<I + 1>...}, transpose_avx512, interleave_avx512};
}
template <int... I>
constexpr ProductKernels bf16_kernels(std::integer_sequence<int, I...>) {
  return {"AVX-512 BF16", {nullptr, tile_avx512_bf16<I + 1>...}, transpose_pairs, interleave_avx512};
}
template <int... I>
constexpr ProductKernels avx2_kernels(std::integer_sequence<int, I...>) {
  return {"AVX2", {nullptr, tile_avx2<I + 1>...}, transpose_scalar, interleave_avx2};
}
template <int... I>
constexpr ProductKernels scalar_kernels(std::integer_sequence<int, I...>) {
  return {"scalar", {nullptr, tile_scalar<I + 1>...}, transpose_scalar, interleave_scalar};
}

using Heights = std::make_integer_sequence<int, kRows>;
constexpr std::array<ProductKernels, 3> kFloat32 = {avx512_kernels(Heights{}), avx2_kernels(Heights{}),
                                                    scalar_kernels(Heights{})};
constexpr ProductKernels kBfloat16 = bf16_kernels(Heights{});

std::uint32_t bfloat16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded;  // a NaN must not round to infinity
}

}  // namespace

std::span<const ProductKernels> all_float32_kernels() {
  const bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const std::size_t first = __builtin_cpu_supports("avx512f") ? 0u : fma ? 1u : 2u;
  return std::span(kFloat32).subspan(first);
}

const ProductKernels* product_kernels(ComputeDType dtype) {
  if (dtype == ComputeDType::float32) return &all_float32_kernels().front();
  const bool runs = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw");
  return runs ? &kBfloat16 : nullptr;
}

STRATA_VECTORISED
void pack_pairs(const float* from, std::int64_t count, std::uint32_t* words) {
  const std::int64_t pairs = count / 2;
  for (std::int64_t i = 0; i < pairs; ++i) {
    words[i] = bfloat16_bits(from[2 * i]) | bfloat16_bits(from[2 * i + 1]) << 16;
  }
  if (count % 2 != 0) words[pairs] = bfloat16_bits(from[count - 1]);
}

STRATA_VECTORISED
void pack_pair_rows(const float* even, const float* odd, std::int64_t count, std::uint32_t* words) {
  for (std::int64_t i = 0; i < count; ++i) {
    words[i] = bfloat16_bits(even[i]) | bfloat16_bits(odd[i]) << 16;
  }
}

float round_to_bfloat16(float value) {
  return std::bit_cast<float>(bfloat16_bits(value) << 16);
}

}  // namespace strata
