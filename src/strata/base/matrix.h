// Plain row-major matrices: of doubles, the currency of everything right of the record, and of float32.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace strata {

template <class T>
struct BasicMatrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<T> data;  // rows * cols, row-major; NaN = undefined

  BasicMatrix() = default;
  BasicMatrix(std::size_t r, std::size_t c, T value = T{}) : rows(r), cols(c), data(r * c, value) {}

  T& operator()(std::size_t r, std::size_t c) { return data[r * cols + c]; }
  T operator()(std::size_t r, std::size_t c) const { return data[r * cols + c]; }
  std::span<T> row(std::size_t r) { return {data.data() + r * cols, cols}; }
  [[nodiscard]] std::span<const T> row(std::size_t r) const { return {data.data() + r * cols, cols}; }
  bool operator==(const BasicMatrix&) const = default;
};

using Matrix = BasicMatrix<double>;
using FloatMatrix = BasicMatrix<float>;

}  // namespace strata
