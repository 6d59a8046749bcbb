#include "strata/segmentation/profile.h"

#include "strata/base/error.h"
#include "strata/linalg/decompose.h"

namespace strata {
namespace {

// Second differences over depth: trends cancel, noise stays.
Matrix second_differences(const Matrix& y) {
  Matrix bends(y.rows - 2, y.cols);
  for (std::size_t t = 0; t < bends.rows; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) bends(t, j) = y(t + 2, j) - 2.0 * y(t + 1, j) + y(t, j);
  }
  return bends;
}

Matrix cross_products(const Matrix& x) {
  Matrix product(x.cols, x.cols);
  for (std::size_t t = 0; t < x.rows; ++t) {
    for (std::size_t i = 0; i < x.cols; ++i) {
      for (std::size_t j = 0; j < x.cols; ++j) product(i, j) += x(t, i) * x(t, j);
    }
  }
  return product;
}

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix product(a.rows, b.cols);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t k = 0; k < a.cols; ++k) {
      for (std::size_t j = 0; j < b.cols; ++j) product(i, j) += a(i, k) * b(k, j);
    }
  }
  return product;
}

}  // namespace

void finish_profile(Profile& profile) {
  Matrix& y = profile.y;
  STRATA_CHECK(y.rows >= 3 && y.cols > 0);
  double total = 0.0, raw = 0.0;
  for (std::size_t j = 0; j < y.cols; ++j) {
    double mean = 0.0;
    for (std::size_t t = 0; t < y.rows; ++t) mean += y(t, j) / static_cast<double>(y.rows);
    for (std::size_t t = 0; t < y.rows; ++t) {
      raw += y(t, j) * y(t, j);
      y(t, j) -= mean;
      total += y(t, j) * y(t, j);
    }
  }
  if (!(total > 1e-18 * raw)) profile.undefined = "every block has the same value";
  double sum = 0.0, square = 0.0;
  const Matrix covariance = cross_products(second_differences(y));
  for (std::size_t j = 0; j < y.cols; ++j) sum += covariance(j, j);
  for (const double x : covariance.data) square += x * x;
  profile.dimension = square > 0.0 ? sum * sum / square : 1.0;
}

void decorrelate(Profile& profile) {
  const Matrix axes =
      linalg::largest_first(linalg::symmetric_eigen(cross_products(second_differences(profile.y)))).vectors;
  profile.y = times(profile.y, axes);
  for (Matrix& deviation : profile.deviations) deviation = times(deviation, axes);
}

}  // namespace strata
