#include "strata/segmentation/state_jumps.h"

#include <algorithm>
#include <cmath>

#include "strata/linalg/decompose.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/stats/quantile.h"
#include "strata/stats/special.h"

namespace strata {
namespace {

constexpr double kLeastSpread = 0.15;  // of the logarithm of a step
constexpr double kSmallestJump = 0.02;

double length_of(std::span<const double> x) {
  double square = 0.0;
  for (const double v : x) square += v * v;
  return std::sqrt(square);
}

// Length along row `t` of the sum of rows t and `other`, at least 0.
double along(const Matrix& steps, std::size_t t, std::size_t other, double length) {
  if (length <= 0.0) return 0.0;
  double dot = 0.0;
  for (std::size_t k = 0; k < steps.cols; ++k) dot += steps(t, k) * (steps(t, k) + steps(other, k));
  return std::max(0.0, dot / length);
}

struct Lengths {
  std::vector<double> whole, lasting;  // of the steps, row t = edge t + 2
};

Lengths lengths_of(const Matrix& steps) {
  Lengths lengths;
  for (std::size_t t = 0; t < steps.rows; ++t) {
    const double length = length_of(steps.row(t));
    double lasting = length;
    if (t + 1 < steps.rows) lasting = std::min(lasting, along(steps, t, t + 1, length));
    if (t > 0) lasting = std::min(lasting, along(steps, t, t - 1, length));
    lengths.whole.push_back(length);
    lengths.lasting.push_back(lasting);
  }
  return lengths;
}

std::vector<double> usual_lengths(const std::vector<double>& whole, int n_layers) {
  return {whole.begin() + (startup_blocks(n_layers) - 1), whole.end() - 1};
}

// Distances between successive inner outputs, row t = edge t + 2.
std::vector<double> raw_steps(const Matrix& points) {
  std::vector<double> steps;
  for (std::size_t t = 2; t + 1 < points.rows; ++t) {
    double square = 0.0;
    for (std::size_t k = 0; k < points.cols; ++k) {
      const double d = points(t, k) - points(t - 1, k);
      square += d * d;
    }
    steps.push_back(std::sqrt(square));
  }
  return steps;
}

}  // namespace

Matrix points_of(const Matrix& similarity) {
  const auto eigen = linalg::largest_first(linalg::symmetric_eigen(similarity));
  std::size_t kept = 0;
  while (kept < eigen.values.size() && eigen.values[kept] > 1e-6 * eigen.values.front()) ++kept;
  Matrix points(similarity.rows, kept);
  for (std::size_t i = 0; i < points.rows; ++i) {
    for (std::size_t k = 0; k < kept; ++k) points(i, k) = eigen.vectors(i, k) * std::sqrt(eigen.values[k]);
  }
  return points;
}

double smallest_step(const Matrix& similarity) {
  std::vector<double> values;
  for (std::size_t i = 1; i + 1 < similarity.rows; ++i) {
    for (std::size_t j = 1; j + 1 < similarity.rows; ++j) values.push_back(similarity(i, j));
  }
  return kSmallestJump * std::sqrt(std::max(1e-12, 2.0 - 2.0 * stats::quantile(values, 0.1)));
}

Matrix state_jumps(const Matrix& points, double smallest) {
  const int layers = static_cast<int>(points.rows);
  Matrix statistic(2, points.rows);
  const Lengths lengths = lengths_of(increments(points, 1));
  const auto usual = usual_lengths(lengths.whole, layers);
  const double share = robust_quantile(usual.size());
  const double size = stats::quantile(usual, share), unit = std::sqrt(size * size + smallest * smallest);
  const auto ln = [&](double length) { return 0.5 * std::log(length * length + smallest * smallest); };
  std::vector<double> logs;
  for (const double length : usual) logs.push_back(ln(length));
  const double middle = stats::median(logs);
  // Of fewer than 12 lengths the quantile of the scale is so near the median that it tells no spread.
  const double upper = std::max(share, 0.75);
  const double spread =
      std::max((stats::quantile(logs, upper) - middle) / stats::normal_quantile(upper), kLeastSpread);
  const auto raw = raw_steps(points);
  for (const int edge : candidate_edges(layers)) {
    const auto t = static_cast<std::size_t>(edge - 2);
    if (raw[t] <= raw[t - 1] || raw[t] <= raw[t + 1]) continue;
    if (4 * edge <= layers &&
        raw[t] <= *std::max_element(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(t)))
      continue;
    const auto e = static_cast<std::size_t>(edge);
    statistic(0, e) = step_gain(lengths.lasting[t] / unit);
    statistic(1, e) = step_gain(std::max(0.0, ln(lengths.lasting[t]) - middle) / spread);
  }
  return statistic;
}

std::vector<double> step_axes(const Matrix& points) {
  const int layers = static_cast<int>(points.rows);
  const Matrix steps = increments(points, 1);
  const auto lengths = lengths_of(steps).whole;
  const auto usual = usual_lengths(lengths, layers);
  const double cap = stats::quantile(usual, robust_quantile(usual.size()));
  Matrix second(points.cols, points.cols);
  const auto first = static_cast<std::size_t>(startup_blocks(layers) - 1);
  const double count = static_cast<double>(steps.rows - 1 - first);
  for (std::size_t t = first; t + 1 < steps.rows; ++t) {
    const double shorten = lengths[t] > cap ? cap / lengths[t] : 1.0;
    for (std::size_t a = 0; a < points.cols; ++a) {
      for (std::size_t b = 0; b < points.cols; ++b)
        second(a, b) += shorten * shorten * steps(t, a) * steps(t, b) / count;
    }
  }
  const auto eigen = linalg::largest_first(linalg::symmetric_eigen(second));
  std::vector<double> axes;
  for (const double value : eigen.values) {
    if (value > 1e-6 * eigen.values.front() && value > 0.0) axes.push_back(std::sqrt(value));
  }
  return axes;
}

}  // namespace strata
