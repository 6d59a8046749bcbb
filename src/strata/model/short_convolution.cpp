#include "strata/model/short_convolution.h"

#include <algorithm>

#include "strata/model/simd.h"

namespace strata {

void turn_taps(const float* from, std::int64_t kernel, std::int64_t width, float* taps) {
  for (std::int64_t c = 0; c < width; ++c) {
    for (std::int64_t i = 0; i < kernel; ++i) taps[i * width + c] = from[c * kernel + i];
  }
}

STRATA_VECTORISED
void convolve_rows(const ShortConvolution& convolution, const float* x, std::int64_t stride,
                   std::int64_t first, std::int64_t rows, float* y) {
  const std::int64_t kernel = convolution.kernel, width = convolution.width;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* out = y + r * width;
    std::fill_n(out, width, 0.0f);
    const std::int64_t from = first + r - kernel + 1;  // row of the first tap
    for (std::int64_t i = std::max<std::int64_t>(0, -from); i < kernel; ++i) {
      const float* tap = convolution.taps + i * width;
      const float* in = x + (from + i) * stride;
      for (std::int64_t c = 0; c < width; ++c) out[c] += tap[c] * in[c];
    }
  }
}

STRATA_VECTORISED
void convolve_backward_rows(const ShortConvolution& convolution, float* gradient, std::int64_t stride,
                            std::int64_t rows) {
  const std::int64_t kernel = convolution.kernel, width = convolution.width;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* out = gradient + r * stride;
    const float* present = convolution.taps + (kernel - 1) * width;
    for (std::int64_t c = 0; c < width; ++c) out[c] *= present[c];
    // The rows after this one still hold d/dy.
    for (std::int64_t i = 1; i < std::min(kernel, rows - r); ++i) {
      const float* tap = convolution.taps + (kernel - 1 - i) * width;
      const float* later = out + i * stride;
      for (std::int64_t c = 0; c < width; ++c) out[c] += tap[c] * later[c];
    }
  }
}

STRATA_VECTORISED
void silu_values(const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] / (1.0f + simd::exp(-x[i]));
}

STRATA_VECTORISED
void silu_backward_rows(const float* x, const float* dy, float* dx, std::int64_t dx_stride, std::int64_t rows,
                        std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * width;
    const float* d = dy + r * width;
    float* out = dx + r * dx_stride;
    for (std::int64_t i = 0; i < width; ++i) {
      const float sigmoid = 1.0f / (1.0f + simd::exp(-in[i]));
      out[i] = d[i] * (sigmoid * (1.0f + in[i] * (1.0f - sigmoid)));
    }
  }
}

}  // namespace strata
