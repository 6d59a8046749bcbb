#include "strata/linalg/product.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "strata/base/error.h"

// GCC 12's own intrinsics trip it where they mean "any value" (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace strata::linalg {
namespace {

constexpr std::size_t kRows = 8, kColumns = 16;  // of a tile
constexpr std::size_t kInner = 256;              // a panel of 16 columns then fits the first cache
constexpr std::size_t kRowBlock = 128;           // rows of panels that fit the second

// c (8, 16), row-major and contiguous, = sum over `inner` of a[k][8] * b[k][16].
using Tile = void (*)(const double* a, const double* b, std::size_t inner, double* c);

#define STRATA_UNROLL _Pragma("GCC unroll 8")

__attribute__((target("avx512f"))) void tile_avx512(const double* a, const double* b, std::size_t inner,
                                                    double* c) {
  __m512d low[kRows], high[kRows];
  STRATA_UNROLL for (std::size_t r = 0; r < kRows; ++r) low[r] = high[r] = _mm512_setzero_pd();
  for (std::size_t k = 0; k < inner; ++k, a += kRows, b += kColumns) {
    const __m512d b_low = _mm512_loadu_pd(b), b_high = _mm512_loadu_pd(b + 8);
    STRATA_UNROLL for (std::size_t r = 0; r < kRows; ++r) {
      const __m512d value = _mm512_set1_pd(a[r]);
      low[r] = _mm512_fmadd_pd(value, b_low, low[r]);
      high[r] = _mm512_fmadd_pd(value, b_high, high[r]);
    }
  }
  STRATA_UNROLL for (std::size_t r = 0; r < kRows; ++r) {
    _mm512_storeu_pd(c + r * kColumns, low[r]);
    _mm512_storeu_pd(c + r * kColumns + 8, high[r]);
  }
}

// 4 rows and 8 columns at a time: as many sums as AVX2 has registers for.
__attribute__((target("avx2,fma"))) void tile_avx2(const double* a, const double* b, std::size_t inner,
                                                   double* c) {
  constexpr std::size_t kPart = 4;
  for (std::size_t row = 0; row < kRows; row += kPart) {
    for (std::size_t column = 0; column < kColumns; column += 8) {
      __m256d low[kPart], high[kPart];
      STRATA_UNROLL for (std::size_t r = 0; r < kPart; ++r) low[r] = high[r] = _mm256_setzero_pd();
      for (std::size_t k = 0; k < inner; ++k) {
        const __m256d b_low = _mm256_loadu_pd(b + k * kColumns + column);
        const __m256d b_high = _mm256_loadu_pd(b + k * kColumns + column + 4);
        STRATA_UNROLL for (std::size_t r = 0; r < kPart; ++r) {
          const __m256d value = _mm256_set1_pd(a[k * kRows + row + r]);
          low[r] = _mm256_fmadd_pd(value, b_low, low[r]);
          high[r] = _mm256_fmadd_pd(value, b_high, high[r]);
        }
      }
      STRATA_UNROLL for (std::size_t r = 0; r < kPart; ++r) {
        _mm256_storeu_pd(c + (row + r) * kColumns + column, low[r]);
        _mm256_storeu_pd(c + (row + r) * kColumns + column + 4, high[r]);
      }
    }
  }
}

#undef STRATA_UNROLL

void tile_scalar(const double* a, const double* b, std::size_t inner, double* c) {
  std::fill_n(c, kRows * kColumns, 0.0);
  for (std::size_t k = 0; k < inner; ++k) {
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t j = 0; j < kColumns; ++j) {
        c[r * kColumns + j] = std::fma(a[k * kRows + r], b[k * kColumns + j], c[r * kColumns + j]);
      }
    }
  }
}

std::vector<Tile> available_tiles() {
  std::vector<Tile> tiles;
  if (__builtin_cpu_supports("avx512f") != 0) tiles.push_back(tile_avx512);
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) tiles.push_back(tile_avx2);
  tiles.push_back(tile_scalar);
  return tiles;
}

const std::vector<Tile>& tiles() {
  static const std::vector<Tile> all = available_tiles();
  return all;
}

// One operand: element (i, k), i along the result and k along the inner dimension.
template <class T>
struct Operand {
  const T* data = nullptr;
  std::size_t count = 0, inner = 0;
  std::size_t step = 0;        // from element to element of i
  std::size_t inner_step = 0;  // from element to element of k

  // Elements [first, first + width) x [begin, end) to out[k][width], zeros beyond the count.
  void pack(std::size_t first, std::size_t width, std::size_t begin, std::size_t end, double* out) const {
    const std::size_t used = std::min(width, count - first);
    if (used < width) std::fill_n(out, width * (end - begin), 0.0);
    const auto copy = [&](std::size_t i, std::size_t k) {
      out[(k - begin) * width + i] = static_cast<double>(data[(first + i) * step + k * inner_step]);
    };
    // In the order of the memory that is read.
    if (step == 1) {
      for (std::size_t k = begin; k < end; ++k) {
        for (std::size_t i = 0; i < used; ++i) copy(i, k);
      }
    } else {
      for (std::size_t i = 0; i < used; ++i) {
        for (std::size_t k = begin; k < end; ++k) copy(i, k);
      }
    }
  }
};

Operand<double> by_rows(const Matrix& x) {
  return {x.data.data(), x.rows, x.cols, x.cols, 1};
}
Operand<double> by_columns(const Matrix& x) {
  return {x.data.data(), x.cols, x.rows, 1, x.cols};
}

// c(i, j) = sum over k of a(i, k) b(j, k); with `lower` only tiles that reach the diagonal or lie below it.
template <class T>
Matrix product(const Operand<T>& a, const Operand<T>& b, bool lower, Tile tile) {
  STRATA_CHECK(a.inner == b.inner);
  Matrix c(a.count, b.count);
  const auto padded = [](std::size_t count, std::size_t to) { return (count + to - 1) / to * to; };
  const std::size_t most = std::min(kInner, a.inner);
  std::vector<double> left(std::min(kRowBlock, padded(a.count, kRows)) * most);
  std::vector<double> right(padded(b.count, kColumns) * most);
  double sums[kRows * kColumns];
  for (std::size_t begin = 0; begin < a.inner; begin += kInner) {
    const std::size_t end = std::min(a.inner, begin + kInner), inner = end - begin;
    for (std::size_t j = 0; j < b.count; j += kColumns) b.pack(j, kColumns, begin, end, &right[j * inner]);
    for (std::size_t block = 0; block < a.count; block += kRowBlock) {
      const std::size_t last = std::min(a.count, block + kRowBlock);
      for (std::size_t i = block; i < last; i += kRows)
        a.pack(i, kRows, begin, end, &left[(i - block) * inner]);
      for (std::size_t j = 0; j < b.count; j += kColumns) {
        const std::size_t columns = std::min(kColumns, b.count - j);
        for (std::size_t i = block; i < last; i += kRows) {
          if (lower && i + kRows <= j) continue;
          tile(&left[(i - block) * inner], &right[j * inner], inner, sums);
          for (std::size_t r = 0; r < std::min(kRows, a.count - i); ++r) {
            double* out = &c(i + r, j);
            for (std::size_t s = 0; s < columns; ++s) out[s] += sums[r * kColumns + s];
          }
        }
      }
    }
  }
  if (lower) {
    for (std::size_t i = 0; i < c.rows; ++i) {
      for (std::size_t j = i + 1; j < c.cols; ++j) c(i, j) = c(j, i);
    }
  }
  return c;
}

}  // namespace

Matrix multiply(const Matrix& a, const Matrix& b) {
  return product(by_rows(a), by_columns(b), false, tiles().front());
}

Matrix multiply_transposed(const Matrix& a, const Matrix& b) {
  return product(by_rows(a), by_rows(b), false, tiles().front());
}

Matrix transposed_multiply(const Matrix& a, const Matrix& b) {
  return product(by_columns(a), by_columns(b), false, tiles().front());
}

Matrix gram_of_rows(const Matrix& x) {
  return product(by_rows(x), by_rows(x), true, tiles().front());
}

Matrix gram_of_rows(const float* x, std::size_t rows, std::size_t columns) {
  const Operand<float> operand{x, rows, columns, columns, 1};
  return product(operand, operand, true, tiles().front());
}

Matrix gram_of_columns(const Matrix& x) {
  return product(by_columns(x), by_columns(x), true, tiles().front());
}

std::size_t product_kernel_count() {
  return tiles().size();
}

Matrix multiply_transposed_with(std::size_t kernel, const Matrix& a, const Matrix& b) {
  return product(by_rows(a), by_rows(b), false, tiles().at(kernel));
}

}  // namespace strata::linalg
