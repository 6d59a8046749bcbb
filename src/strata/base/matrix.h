// A plain row-major matrix of doubles, the currency of everything right of the record.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace strata {

struct Matrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<double> data;  // rows * cols, row-major; NaN = undefined

  Matrix() = default;
  Matrix(std::size_t r, std::size_t c, double value = 0.0) : rows(r), cols(c), data(r * c, value) {}

  double& operator()(std::size_t r, std::size_t c) { return data[r * cols + c]; }
  double operator()(std::size_t r, std::size_t c) const { return data[r * cols + c]; }
  std::span<double> row(std::size_t r) { return {data.data() + r * cols, cols}; }
  [[nodiscard]] std::span<const double> row(std::size_t r) const { return {data.data() + r * cols, cols}; }
  bool operator==(const Matrix&) const = default;
};

}  // namespace strata
