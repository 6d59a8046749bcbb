#include "strata/segmentation/step_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "strata/base/error.h"
#include "strata/segmentation/roughness.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kTail = 8.0;       // degrees of freedom of the gain
constexpr double kFloor = 0.02;     // of the range: changes below are of no interest
constexpr double kClearly = 1.1;    // of an earlier gain: a change larger than those of the start-up
constexpr double kRough = 2.0;      // floors
constexpr double kWinsor = 2.5;     // of the roughness of one block: a single block's influence on a level
constexpr std::size_t kDegree = 2;  // of the curve under a step

// Solves a x = b for a symmetric positive definite a; columns of b. Cholesky.
Matrix solve_positive(Matrix a, Matrix b) {
  const std::size_t n = a.rows;
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) a(j, j) -= a(j, k) * a(j, k);
    STRATA_CHECK(a(j, j) > 0.0);
    a(j, j) = std::sqrt(a(j, j));
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) a(i, j) -= a(i, k) * a(j, k);
      a(i, j) /= a(j, j);
    }
  }
  for (std::size_t c = 0; c < b.cols; ++c) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < i; ++k) b(i, c) -= a(i, k) * b(k, c);
      b(i, c) /= a(i, i);
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t k = i + 1; k < n; ++k) b(i, c) -= a(k, i) * b(k, c);
      b(i, c) /= a(i, i);
    }
  }
  return b;
}

// Weights w with w'y = (step at block `at` of n) / (its standard error), for noise I + walk * min(i, j).
std::vector<double> step_contrast(std::size_t n, std::size_t at, double walk, std::size_t degree) {
  const std::size_t p = degree + 2;
  Matrix noise(n, n), design(n, p);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      noise(i, j) = (i == j ? 1.0 : 0.0) + walk * static_cast<double>(std::min(i, j) + 1);
    const double u = (static_cast<double>(i) - 0.5 * static_cast<double>(n - 1)) / static_cast<double>(n);
    double power = 1.0;
    for (std::size_t k = 0; k <= degree; ++k, power *= u) design(i, k) = power;
    design(i, p - 1) = i >= at ? 1.0 : 0.0;
  }
  const Matrix whitened = solve_positive(noise, design);  // noise^-1 X
  Matrix information(p, p), unit(p, 1);
  for (std::size_t a = 0; a < p; ++a) {
    for (std::size_t b = 0; b < p; ++b) {
      for (std::size_t i = 0; i < n; ++i) information(a, b) += design(i, a) * whitened(i, b);
    }
  }
  unit(p - 1, 0) = 1.0;
  const Matrix row = solve_positive(information, unit);  // last row of the inverse
  std::vector<double> weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < p; ++k) weights[i] += row(k, 0) * whitened(i, k);
    weights[i] /= std::sqrt(row(p - 1, 0));
  }
  return weights;
}

// What is left of the jump at row t when up to `blocks` blocks before or after it are left out.
double lasting_jump(const Matrix& residual, std::size_t t, std::size_t j, std::size_t blocks) {
  const double own = residual(t, j);
  double size = std::abs(own), after = own, before = own;
  const auto limit = [&](double rest) { size = rest * own > 0.0 ? std::min(size, std::abs(rest)) : 0.0; };
  for (std::size_t k = 1; k <= blocks; ++k) {
    if (t + k < residual.rows) limit(after += residual(t + k, j));
    if (t >= k) limit(before += residual(t - k, j));
  }
  return own < 0.0 ? -size : size;
}

double median_of_rows(const Matrix& y, std::size_t first, std::size_t end, std::size_t j) {
  std::vector<double> values;
  for (std::size_t t = first; t < end; ++t) values.push_back(y(t, j));
  return stats::median(values);
}

}  // namespace

double step_gain(double z) {
  return 0.5 * kTail * std::log1p(z * z / kTail);
}

StepStatistics::StepStatistics(std::size_t n_layers, std::vector<Group> group, std::vector<double> weight,
                               std::size_t undone_by)
    : n_(n_layers),
      undone_by_(undone_by),
      group_(std::move(group)),
      weight_(std::move(weight)),
      edges_(candidate_edges(static_cast<int>(n_layers))) {
  std::map<Group, std::vector<std::size_t>> members;
  for (std::size_t j = 0; j < group_.size(); ++j) members[group_[j]].push_back(j);
  for (auto& [name, columns] : members) members_.push_back(std::move(columns));
  const std::size_t reach = std::clamp<std::size_t>(n_ / 5, 4, 8);
  for (const int edge : edges_) {
    const auto e = static_cast<std::size_t>(edge);
    const std::size_t first = e > reach + 1 ? e - reach : 1, end = std::min(n_ - 1, e + reach);
    Fit fit{.first = first, .weights = {}};
    const std::size_t degree = std::min(e - first, end - e) >= 3 ? kDegree : 1;
    for (const double walk : walk_shares())
      fit.weights.push_back(step_contrast(end - first, e - first, walk, degree));
    fits_.push_back(std::move(fit));
  }
}

void StepStatistics::level_z(const Matrix& y, const StepEvidence& evidence, Matrix& z) const {
  Matrix inner(n_ - 2, y.cols);
  for (std::size_t t = 0; t < inner.rows; ++t)
    std::copy_n(y.row(t + 1).begin(), y.cols, inner.row(t).begin());
  const Matrix middle = running_median(inner, 2);
  for (std::size_t j = 0; j < y.cols; ++j) {
    if (!evidence.rough[j]) continue;
    const double reach = kWinsor * evidence.scale[j] / std::numbers::sqrt2;
    for (std::size_t t = 0; t < inner.rows; ++t)
      inner(t, j) = middle(t, j) + std::clamp(inner(t, j) - middle(t, j), -reach, reach);
    const auto& shares = walk_shares();
    const auto which =
        static_cast<std::size_t>(std::find(shares.begin(), shares.end(), evidence.walk[j]) - shares.begin());
    const double block_sd = evidence.scale[j] / std::sqrt(2.0 + evidence.walk[j]);
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      const auto& weights = fits_[i].weights[which];
      double sum = 0.0;
      for (std::size_t k = 0; k < weights.size(); ++k) sum += weights[k] * inner(fits_[i].first - 1 + k, j);
      z(static_cast<std::size_t>(edges_[i]), j) = sum / block_sd;
    }
  }
}

std::vector<double> StepStatistics::group_means(std::span<const double> gains) const {
  std::vector<double> means;
  for (const auto& columns : members_) {
    double sum = 0.0;
    for (const std::size_t j : columns) sum += gains[j];
    means.push_back(sum / static_cast<double>(columns.size()));
  }
  return means;
}

void StepStatistics::clear_startup(const Matrix& y, StepEvidence& evidence) const {
  // Gains of the increments themselves, about each signal's usual increment.
  Matrix gains(n_ - 3, y.cols);
  for (std::size_t j = 0; j < y.cols; ++j) {
    std::vector<double> steps;
    for (std::size_t t = 0; t < gains.rows; ++t) steps.push_back(y(t + 2, j) - y(t + 1, j));
    const double usual = stats::median(steps);
    for (std::size_t t = 0; t < gains.rows; ++t)
      gains(t, j) = step_gain((steps[t] - usual) / evidence.scale[j]);
  }
  double largest = 0.0, largest_group = 0.0;
  for (int e = 2; 4 * e <= static_cast<int>(n_); ++e) {
    const auto row = gains.row(static_cast<std::size_t>(e - 2));
    double mean = 0.0;
    for (std::size_t j = 0; j < y.cols; ++j) mean += weight_[j] * row[j];
    const auto groups = group_means(row);
    const double group = *std::max_element(groups.begin(), groups.end());
    const auto column = static_cast<std::size_t>(e);
    if (mean <= kClearly * largest) evidence.statistic(0, column) = evidence.statistic(1, column) = 0.0;
    if (group <= kClearly * largest_group) evidence.statistic(2, column) = 0.0;
    largest = std::max(largest, mean);
    largest_group = std::max(largest_group, group);
  }
}

StepEvidence StepStatistics::at(const Matrix& y) const {
  StepEvidence evidence{.statistic = Matrix(3, n_), .z = Matrix(n_, y.cols), .residual = increments(y, 1)};
  const int layers = static_cast<int>(n_);
  const auto lag1 = robust_scale(evidence.residual, layers), lag2 = robust_scale(increments(y, 2), layers);
  auto floor = inner_range(y);
  for (double& x : floor) x *= kFloor;
  evidence.raw_scale = lag1;
  evidence.walk = walk_share(lag1, lag2, floor, weight_);
  for (std::size_t j = 0; j < y.cols; ++j) {
    evidence.scale.push_back(std::sqrt(lag1[j] * lag1[j] + floor[j] * floor[j]) + 1e-300);
    evidence.rough.push_back(lag1[j] > kRough * floor[j]);
  }
  for (const int edge : edges_) {
    const auto e = static_cast<std::size_t>(edge);
    for (std::size_t j = 0; j < y.cols; ++j) {
      evidence.z(e, j) = lasting_jump(evidence.residual, e - 2, j, undone_by_) / evidence.scale[j];
    }
  }
  Matrix level = evidence.z;
  level_z(y, evidence, level);
  std::vector<double> gains(y.cols);
  for (const int edge : edges_) {
    const auto e = static_cast<std::size_t>(edge);
    for (std::size_t j = 0; j < y.cols; ++j) {
      gains[j] = step_gain(evidence.z(e, j));
      evidence.statistic(0, e) += weight_[j] * gains[j];
      evidence.statistic(1, e) += weight_[j] * step_gain(level(e, j));
    }
    const auto groups = group_means(gains);
    evidence.statistic(2, e) = *std::max_element(groups.begin(), groups.end());
  }
  clear_startup(y, evidence);
  return evidence;
}

Matrix StepStatistics::twice(const Matrix& y) const {
  const StepEvidence evidence = at(y);
  Matrix larger = evidence.statistic;
  const auto jumps = evidence.statistic.row(0);
  const auto strongest = std::max_element(jumps.begin(), jumps.end());
  if (!(*strongest > 0.0)) return larger;
  const int edge = static_cast<int>(strongest - jumps.begin());
  const Matrix again = at(without_step(y, evidence, edge)).statistic;
  for (const int e : edges_) {
    if (std::abs(e - edge) < min_distance(static_cast<int>(n_))) continue;
    for (std::size_t s = 0; s < larger.rows; ++s) {
      double& value = larger(s, static_cast<std::size_t>(e));
      value = std::max(value, again(s, static_cast<std::size_t>(e)));
    }
  }
  return larger;
}

Matrix StepStatistics::without_step(const Matrix& y, const StepEvidence& evidence, int edge,
                                    std::vector<double>* steps) const {
  Matrix out = y;
  const auto e = static_cast<std::size_t>(edge);
  if (steps != nullptr) steps->assign(y.cols, 0.0);
  for (std::size_t j = 0; j < y.cols; ++j) {
    double step = evidence.residual(e - 2, j);
    if (evidence.rough[j] && evidence.walk[j] < 1.0) {
      step = median_of_rows(y, e, std::min(n_ - 1, e + 4), j) - median_of_rows(y, e > 5 ? e - 4 : 1, e, j);
    }
    for (std::size_t t = e; t < n_; ++t) out(t, j) -= step;
    if (steps != nullptr) (*steps)[j] = step;
  }
  return out;
}

}  // namespace strata
