// A causal depthwise convolution of a few taps and its activation, on some columns of a window's rows.
#pragma once

#include <cstdint>

namespace strata {

/// The taps of some channels, one tap of all channels after the other; the last tap is on the present token.
struct ShortConvolution {
  const float* taps;  ///< (kernel, width)
  std::int64_t kernel, width;
};

/// taps (kernel, width) from `width` rows of (channels, kernel).
void turn_taps(const float* from, std::int64_t kernel, std::int64_t width, float* taps);

/// y (rows, width), without gaps: y[t - first] = sum_i taps[i] x[t - kernel + 1 + i] for the rows first <= t
/// < first + rows of x, whose row 0 begins the window: what would be before it is 0. Stride in elements.
void convolve_rows(const ShortConvolution& convolution, const float* x, std::int64_t stride,
                   std::int64_t first, std::int64_t rows, float* y);

/// In place, d/dy (rows, width) of a whole window -> d/dx. Stride in elements.
void convolve_backward_rows(const ShortConvolution& convolution, float* gradient, std::int64_t stride,
                            std::int64_t rows);

/// y = silu(x).
void silu_values(const float* x, float* y, std::int64_t count);

/// dx = silu'(x) dy for rows of length `width`; x and dy have no gaps. Stride of dx in elements.
void silu_backward_rows(const float* x, const float* dy, float* dx, std::int64_t dx_stride, std::int64_t rows,
                        std::int64_t width);

}  // namespace strata
