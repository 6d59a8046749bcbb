#include "strata/segmentation/roughness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "strata/base/error.h"
#include "strata/stats/eigen.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kQuantile = 0.80;
constexpr double kNormalQuantile = 1.2815515655446004;  // of (1 + kQuantile) / 2

// Of the first `count` (odd) values, which it sorts.
double middle_of(std::array<double, 7>& window, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i) {
    for (std::size_t k = i; k > 0 && window[k] < window[k - 1]; --k) std::swap(window[k], window[k - 1]);
  }
  return window[count / 2];
}

}  // namespace

int startup_blocks(int n_layers) {
  return n_layers < 20 ? 3 : n_layers < 40 ? 4 : 5;
}

std::vector<int> candidate_edges(int n_layers) {
  std::vector<int> edges;
  for (int e = startup_blocks(n_layers) + 1; e < n_layers - 2; ++e) edges.push_back(e);
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

std::vector<double> robust_scale(const Matrix& residual, int n_layers) {
  std::vector<double> scale(residual.cols), values;
  const auto first = static_cast<std::size_t>(startup_blocks(n_layers) - 1);
  for (std::size_t j = 0; j < residual.cols; ++j) {
    values.clear();
    for (std::size_t t = first; t + 1 < residual.rows; ++t) values.push_back(std::abs(residual(t, j)));
    scale[j] = values.empty() ? 0.0 : stats::quantile(values, kQuantile) / kNormalQuantile;
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

const std::vector<double>& walk_shares() {
  static const std::vector<double> kShares = {0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4};
  return kShares;
}

std::vector<double> walk_share(const std::vector<double>& lag1, const std::vector<double>& lag2,
                               const std::vector<double>& floor, const std::vector<double>& weight) {
  std::vector<double> ln(lag1.size());
  double pooled = 0.0;
  for (std::size_t j = 0; j < ln.size(); ++j) {
    const double small = 0.25 * floor[j] * floor[j] + 1e-300;
    ln[j] = std::clamp(std::log((lag2[j] * lag2[j] + small) / (lag1[j] * lag1[j] + small)), -0.5, 1.2);
    pooled += weight[j] * ln[j];
  }
  std::vector<double> shares(ln.size());
  for (std::size_t j = 0; j < ln.size(); ++j) {
    // White noise has equal variances at both lags, a walk twice the variance at lag 2.
    const double ratio = std::clamp(std::exp(0.5 * (ln[j] + pooled)), 1.0, 1.85);
    const double share = std::clamp((2.0 * ratio - 2.0) / (2.0 - ratio), 0.0, walk_shares().back());
    shares[j] = *std::min_element(walk_shares().begin(), walk_shares().end(), [&](double a, double b) {
      return std::abs(a - share) < std::abs(b - share);
    });
  }
  return shares;
}

Matrix correlation_root(const Matrix& residual) {
  const std::size_t n = residual.rows - 2,
                    p = residual.cols;  // the outermost edges have no median of their own
  Matrix scores(n, p);
  std::vector<std::size_t> order(n);
  for (std::size_t j = 0; j < p; ++j) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return residual(a + 1, j) < residual(b + 1, j); });
    double square = 0.0;
    for (std::size_t first = 0; first < n;) {  // ties share their mean rank
      std::size_t last = first;
      while (last + 1 < n && residual(order[last + 1] + 1, j) == residual(order[first] + 1, j)) ++last;
      const double score = 0.5 * static_cast<double>(first + last) - 0.5 * static_cast<double>(n - 1);
      for (std::size_t i = first; i <= last; ++i) {
        scores(order[i], j) = score;
        square += score * score;
      }
      first = last + 1;
    }
    const double length = std::sqrt(square) + 1e-12;
    for (std::size_t i = 0; i < n; ++i) scores(i, j) /= length;
  }
  Matrix correlation(p, p);
  for (std::size_t a = 0; a < p; ++a) {
    for (std::size_t b = 0; b < p; ++b) {
      double rank_correlation = a == b ? 1.0 : 0.0;
      for (std::size_t i = 0; i < n && a != b; ++i) rank_correlation += scores(i, a) * scores(i, b);
      // Of a normal pair with this rank correlation (Pearson 1907); 1 stays 1.
      correlation(a, b) = 2.0 * std::sin(std::numbers::pi * rank_correlation / 6.0);
    }
  }
  const auto eigen = stats::symmetric_eigen(correlation);
  Matrix root = eigen.vectors;
  for (std::size_t a = 0; a < p; ++a) {
    double square = 0.0;
    for (std::size_t k = 0; k < p; ++k) {
      root(a, k) *= std::sqrt(std::max(eigen.values[k], 1e-3));
      square += root(a, k) * root(a, k);
    }
    for (std::size_t k = 0; k < p; ++k) root(a, k) /= std::sqrt(square);
  }
  return root;
}

Matrix heavy_tailed(std::size_t rows, const Matrix& root, Philox& rng, int degrees) {
  Matrix out(rows, root.rows);
  std::vector<double> z(root.cols);
  for (std::size_t t = 0; t < rows; ++t) {
    for (double& x : z) x = rng.normal();
    double square = 0.0;
    for (int i = 0; i < degrees; ++i) {
      const double x = rng.normal();
      square += x * x;
    }
    const double size = 1.0 / std::sqrt(square / degrees);
    for (std::size_t j = 0; j < root.rows; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k < root.cols; ++k) sum += root(j, k) * z[k];
      out(t, j) = size * sum;
    }
  }
  return out;
}

void accumulate_rows(Matrix& x) {
  for (std::size_t t = 1; t < x.rows; ++t) {
    for (std::size_t j = 0; j < x.cols; ++j) x(t, j) += x(t - 1, j);
  }
}

}  // namespace strata
