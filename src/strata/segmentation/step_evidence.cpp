#include "strata/segmentation/step_evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

#include "strata/base/philox.h"
#include "strata/segmentation/roughness.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kFloor = 0.02;   // of the range: changes below are of no interest
constexpr double kClearly = 1.1;  // of an earlier gain: a change larger than those of the start-up
constexpr std::array kFactors = {0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0};
constexpr double kUneven = 0.3;
constexpr double kLeastGain = 1e-3;           // what a logarithm of sizes still tells apart
constexpr std::uint32_t kCalibrations = 20;   // for each factor
constexpr std::uint32_t kStepPurpose = 1001;  // field a of the stream keys: no detector of the tests has it

// What is left of the jump at row t when the block before or after it is left out.
double lasting_jump(const Matrix& residual, std::size_t t, std::size_t j) {
  const double own = residual(t, j);
  double size = std::abs(own);
  const auto limit = [&](double rest) { size = rest * own > 0.0 ? std::min(size, std::abs(rest)) : 0.0; };
  if (t + 1 < residual.rows) limit(own + residual(t + 1, j));
  if (t > 0) limit(own + residual(t - 1, j));
  return std::copysign(size, own);
}

// Of the correlations of different signals.
double mean_square(const Matrix& correlation) {
  double sum = 0.0;
  for (std::size_t a = 0; a < correlation.rows; ++a) {
    for (std::size_t b = 0; b < a; ++b) sum += correlation(a, b) * correlation(a, b);
  }
  const std::size_t pairs = correlation.rows * (correlation.rows - 1) / 2;
  return pairs > 0 ? sum / static_cast<double>(pairs) : 0.0;
}

}  // namespace

StepStatistics::StepStatistics(std::size_t n_layers, std::vector<double> weight, std::vector<Group> group)
    : n_(n_layers),
      weight_(std::move(weight)),
      group_(std::move(group)),
      edges_(candidate_edges(static_cast<int>(n_layers))) {}

double StepStatistics::largest_of_groups(const std::vector<double>& gain) const {
  std::map<Group, double> sum, signals;
  for (std::size_t j = 0; j < gain.size(); ++j) {
    sum[group_[j]] += gain[j];
    signals[group_[j]] += 1.0;
  }
  double largest = 0.0;
  for (const auto& [group, total] : sum) largest = std::max(largest, total / signals[group]);
  return largest;
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
  double largest = 0.0;
  for (int e = 2; 4 * e <= static_cast<int>(n_); ++e) {
    double mean = 0.0;
    for (std::size_t j = 0; j < y.cols; ++j) mean += weight_[j] * gains(static_cast<std::size_t>(e - 2), j);
    if (mean <= kClearly * largest) {
      for (std::size_t s = 0; s < evidence.statistic.rows; ++s)
        evidence.statistic(s, static_cast<std::size_t>(e)) = 0.0;
    }
    largest = std::max(largest, mean);
  }
}

StepEvidence StepStatistics::at(const Matrix& y) const {
  const std::size_t p = y.cols;
  StepEvidence evidence{.statistic = Matrix(3, n_), .z = Matrix(n_, p), .residual = increments(y, 1)};
  evidence.raw_scale = robust_scale(evidence.residual, static_cast<int>(n_));
  const auto range = inner_range(y);
  for (std::size_t j = 0; j < p; ++j)
    evidence.scale.push_back(std::hypot(evidence.raw_scale[j], kFloor * range[j]) + 1e-300);
  evidence.correlation =
      residual_correlation(evidence.residual, evidence.scale, weight_, static_cast<int>(n_));
  const auto unknowns = static_cast<double>(p), known = static_cast<double>(edges_.size());
  const Matrix whitening = whitening_of(evidence.correlation, unknowns / (unknowns + known));
  std::vector<double> bounded(p), gain(p);
  for (const int edge : edges_) {
    const auto e = static_cast<std::size_t>(edge);
    for (std::size_t j = 0; j < p; ++j) {
      const double z = evidence.z(e, j) = lasting_jump(evidence.residual, e - 2, j) / evidence.scale[j];
      gain[j] = step_gain(z);
      bounded[j] = std::copysign(std::sqrt(2.0 * gain[j]), z);
      evidence.statistic(0, e) += weight_[j] * gain[j];
    }
    for (std::size_t j = 0; j < p; ++j) {
      double u = 0.0;
      for (std::size_t k = 0; k < p; ++k) u += whitening(j, k) * bounded[k];
      evidence.statistic(1, e) += weight_[j] * 0.5 * u * u;
    }
    evidence.statistic(2, e) = largest_of_groups(gain);
  }
  clear_startup(y, evidence);
  return evidence;
}

Matrix StepStatistics::noise_correlation(const Matrix& estimate) const {
  const double own = mean_square(estimate);
  Matrix best = estimate;
  double least = std::numeric_limits<double>::infinity();
  for (const double factor : kFactors) {
    Matrix tried = estimate;
    for (std::size_t a = 0; a < tried.rows; ++a) {
      for (std::size_t b = 0; b < tried.rows; ++b) tried(a, b) *= a == b ? 1.0 : factor;
    }
    const Matrix root = root_of(tried);
    double mean = 0.0;
    for (std::uint32_t i = 0; i < kCalibrations; ++i) {
      Philox rng({.seed = 0, .stream = Stream::surrogate, .a = kStepPurpose, .b = i});
      mean += mean_square(at(layer_noise(n_, root, rng)).correlation) / kCalibrations;
    }
    if (std::abs(mean - own) >= least) continue;
    least = std::abs(mean - own);
    best = std::move(tried);
  }
  return best;
}

double StepStatistics::spread_of_sizes(const StepEvidence& evidence) const {
  std::vector<double> sizes;
  for (auto t = static_cast<std::size_t>(startup_blocks(static_cast<int>(n_)) - 1); t + 1 < n_ - 3; ++t) {
    double gain = 0.0;
    for (std::size_t j = 0; j < weight_.size(); ++j)
      gain += weight_[j] * step_gain(evidence.residual(t, j) / evidence.scale[j]);
    sizes.push_back(0.5 * std::log(gain + kLeastGain));
  }
  return stats::quantile(sizes, robust_quantile(sizes.size())) - stats::median(sizes);
}

LayerNoise StepStatistics::noise_of(const StepEvidence& evidence) const {
  LayerNoise noise{.root = root_of(noise_correlation(evidence.correlation))};
  std::vector<double> spreads;
  for (std::uint32_t i = 0; i < kCalibrations; ++i) {
    Philox rng({.seed = 0, .stream = Stream::surrogate, .a = kStepPurpose, .b = i});
    spreads.push_back(spread_of_sizes(at(layer_noise(n_, noise.root, rng))));
  }
  if (spread_of_sizes(evidence) > stats::quantile(spreads, 0.9)) noise.uneven = kUneven;
  return noise;
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
  const auto step = evidence.residual.row(e - 2);
  for (std::size_t t = e; t < n_; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) out(t, j) -= step[j];
  }
  if (steps != nullptr) steps->assign(step.begin(), step.end());
  return out;
}

}  // namespace strata
