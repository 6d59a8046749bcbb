#include "strata/segmentation/roughness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "strata/base/error.h"
#include "strata/linalg/decompose.h"
#include "strata/stats/quantile.h"
#include "strata/stats/special.h"

namespace strata {
namespace {

constexpr double kOutlying = 3.0;  // values that must not matter
constexpr double kCut = 2.5;       // of the scale
constexpr int kDegrees = 12;       // of freedom, of layer noise
constexpr double kTail = 8.0;      // degrees of freedom of the gain
constexpr double kLeastQuantile = 0.5, kMostQuantile = 0.92;

// Of the first `count` (odd) values, which it sorts.
double middle_of(std::array<double, 7>& window, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i) {
    for (std::size_t k = i; k > 0 && window[k] < window[k - 1]; --k) std::swap(window[k], window[k - 1]);
  }
  return window[count / 2];
}

}  // namespace

int startup_blocks(int n_layers) {
  return std::max(n_layers < 20 ? 3 : 4, (n_layers + 3) / 6);
}

std::vector<int> candidate_edges(int n_layers) {
  std::vector<int> edges;
  for (int e = startup_blocks(n_layers) + 1; e <= n_layers - min_distance(n_layers); ++e) edges.push_back(e);
  return edges;
}

int min_distance(int n_layers) {
  return n_layers < 20 ? 3 : n_layers < 40 ? 4 : 5;
}

Matrix running_median(const Matrix& x, int half_width) {
  STRATA_CHECK(half_width <= 3);
  Matrix out(x.rows, x.cols);
  const int rows = static_cast<int>(x.rows);
  std::array<double, 7> window{};
  for (int t = 0; t < rows; ++t) {
    const int h = std::min({half_width, t, rows - 1 - t});
    for (std::size_t j = 0; j < x.cols; ++j) {
      for (int k = -h; k <= h; ++k)
        window[static_cast<std::size_t>(k + h)] = x(static_cast<std::size_t>(t + k), j);
      out(static_cast<std::size_t>(t), j) = middle_of(window, static_cast<std::size_t>(2 * h + 1));
    }
  }
  return out;
}

Matrix increments(const Matrix& y, int lag) {
  const auto step = static_cast<std::size_t>(lag);
  Matrix d(y.rows - 2 - step, y.cols);
  for (std::size_t t = 0; t < d.rows; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) d(t, j) = y(t + 1 + step, j) - y(t + 1, j);
  }
  const Matrix middle = running_median(d, 3);
  for (std::size_t i = 0; i < d.data.size(); ++i) d.data[i] -= middle.data[i];
  return d;
}

double robust_quantile(std::size_t count) {
  // Exactly the fourth largest of the values.
  const double n = static_cast<double>(count);
  return std::clamp((n - 1.0 - kOutlying) / (n - 1.0), kLeastQuantile, kMostQuantile);
}

std::vector<double> robust_scale(const Matrix& residual, int n_layers) {
  std::vector<double> scale(residual.cols), values;
  const auto first = static_cast<std::size_t>(startup_blocks(n_layers) - 1);
  for (std::size_t j = 0; j < residual.cols; ++j) {
    values.clear();
    for (std::size_t t = first; t + 1 < residual.rows; ++t) values.push_back(std::abs(residual(t, j)));
    if (values.empty()) continue;
    const double share = robust_quantile(values.size());
    scale[j] = stats::quantile(values, share) / stats::normal_quantile(0.5 * (1.0 + share));
  }
  return scale;
}

std::vector<double> inner_range(const Matrix& y) {
  std::vector<double> range(y.cols), values;
  const auto first = static_cast<std::size_t>(startup_blocks(static_cast<int>(y.rows)));
  for (std::size_t j = 0; j < y.cols; ++j) {
    values.clear();
    for (std::size_t t = first; t + 1 < y.rows; ++t) values.push_back(y(t, j));
    range[j] = stats::quantile(values, 0.9) - stats::quantile(values, 0.1);
  }
  return range;
}

double step_gain(double z) {
  return 0.5 * kTail * std::log1p(z * z / kTail);
}

Matrix residual_correlation(const Matrix& residual, const std::vector<double>& scale,
                            const std::vector<double>& weight, int n_layers) {
  const std::size_t p = residual.cols;
  std::vector<std::pair<double, std::size_t>> gains;
  for (auto t = static_cast<std::size_t>(startup_blocks(n_layers) - 1); t + 1 < residual.rows; ++t) {
    double gain = 0.0;
    for (std::size_t j = 0; j < p; ++j) gain += weight[j] * step_gain(residual(t, j) / scale[j]);
    gains.emplace_back(gain, t);
  }
  std::sort(gains.begin(), gains.end());
  const auto left_out = std::max<std::size_t>(2, static_cast<std::size_t>(n_layers) / 8);
  const std::size_t n = gains.size() > left_out ? gains.size() - left_out : 0;
  Matrix x(n, p), correlation(p, p);
  for (std::size_t j = 0; j < p; ++j) {
    double mean = 0.0, square = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      x(i, j) = std::clamp(residual(gains[i].second, j) / scale[j], -kCut, kCut);
      mean += x(i, j) / static_cast<double>(n);
    }
    for (std::size_t i = 0; i < n; ++i) square += (x(i, j) -= mean) * x(i, j);
    for (std::size_t i = 0; i < n; ++i) x(i, j) /= std::sqrt(square) + 1e-12;
  }
  for (std::size_t a = 0; a < p; ++a) {
    for (std::size_t b = 0; b < p; ++b) {
      for (std::size_t i = 0; i < n && a != b; ++i) correlation(a, b) += x(i, a) * x(i, b);
    }
    correlation(a, a) = 1.0;
  }
  return correlation;
}

Matrix root_of(const Matrix& correlation) {
  linalg::SymmetricEigen eigen = linalg::symmetric_eigen(correlation);
  for (double& value : eigen.values) value = std::max(value, 1e-3);
  // The symmetric root: the eigenvectors of equal values, and their signs, are no matter.
  Matrix root = linalg::clipped_square_root(eigen);
  for (std::size_t a = 0; a < root.rows; ++a) {
    double square = 0.0;
    for (const double x : root.row(a)) square += x * x;
    for (double& x : root.row(a)) x /= std::sqrt(square);
  }
  return root;
}

Matrix whitening_of(const Matrix& correlation, double share) {
  const std::size_t p = correlation.rows;
  const auto eigen = linalg::symmetric_eigen(correlation);
  std::vector<double> factor;
  for (const double value : eigen.values)
    factor.push_back(1.0 / std::sqrt((1.0 - share) * std::max(value, 0.0) + share));
  Matrix inverse(p, p);
  for (std::size_t a = 0; a < p; ++a) {
    for (std::size_t b = 0; b < p; ++b) {
      for (std::size_t k = 0; k < p; ++k)
        inverse(a, b) += factor[k] * eigen.vectors(a, k) * eigen.vectors(b, k);
    }
  }
  return inverse;
}

Matrix heavy_tailed(std::size_t rows, const Matrix& root, Philox& rng, double uneven) {
  Matrix out(rows, root.rows);
  std::vector<double> z(root.cols);
  for (std::size_t t = 0; t < rows; ++t) {
    for (double& x : z) x = rng.normal();
    double square = 0.0;
    for (int i = 0; i < kDegrees; ++i) {
      const double x = rng.normal();
      square += x * x;
    }
    double size = 1.0 / std::sqrt(square / kDegrees);
    if (uneven > 0.0) size *= std::exp(uneven * rng.normal());
    for (std::size_t j = 0; j < root.rows; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k < root.cols; ++k) sum += root(j, k) * z[k];
      out(t, j) = size * sum;
    }
  }
  return out;
}

Matrix layer_noise(std::size_t rows, const Matrix& root, Philox& rng, double uneven) {
  Matrix walk = heavy_tailed(rows, root, rng, uneven);
  accumulate_rows(walk);
  return walk;
}

void accumulate_rows(Matrix& x) {
  for (std::size_t t = 1; t < x.rows; ++t) {
    for (std::size_t j = 0; j < x.cols; ++j) x(t, j) += x(t - 1, j);
  }
}

}  // namespace strata
