#include "strata/theory/odd_blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/stats/quantile.h"
#include "strata/theory/edge_changes.h"

namespace strata {
namespace {

constexpr std::size_t kMostSurrogates = 199;
constexpr double kLevel = 0.05;
constexpr std::uint32_t kSurrogates = 90;  // apart from the streams of the detectors
constexpr std::size_t kStatistics = 2;
constexpr double kQuantile = 0.60;
constexpr double kNormalQuantile = 0.8416212335729143;  // of (1 + kQuantile) / 2
constexpr double kFloor = 0.02;                         // of the range, as in step_evidence

// Blocks at which both increments exist and are looked at.
std::pair<std::size_t, std::size_t> range_of(int n_layers) {
  return {static_cast<std::size_t>(startup_blocks(n_layers)), static_cast<std::size_t>(n_layers) - 3};
}

// Roughness of an increment from the 60% quantile: every odd block makes two large increments or more, and
// the 80% of robust_scale gives way to two odd blocks.
std::vector<double> scale_of(const Matrix& residual, const Matrix& y, int n_layers) {
  auto scale = inner_range(y);
  std::vector<double> values;
  for (std::size_t j = 0; j < residual.cols; ++j) {
    values.clear();
    for (auto t = static_cast<std::size_t>(startup_blocks(n_layers) - 1); t + 1 < residual.rows; ++t)
      values.push_back(std::abs(residual(t, j)));
    scale[j] = std::hypot(stats::quantile(values, kQuantile) / kNormalQuantile, kFloor * scale[j]) + 1e-300;
  }
  return scale;
}

// What the statistics are made of.
struct Increments {
  Matrix residual;  // row t: edge t + 2
  std::vector<double> scale;
};

Increments increments_of(const Matrix& y) {
  Increments result{.residual = increments(y, 1), .scale = {}};
  result.scale = scale_of(result.residual, y, static_cast<int>(y.rows));
  return result;
}

// How far signal j is off at a block, signed, in units of its roughness.
double off(const Increments& evidence, std::size_t block, std::size_t j) {
  const double in = evidence.residual(block - 2, j), out = evidence.residual(block - 1, j);
  if (!(in * out < 0.0)) return 0.0;
  return std::copysign(std::min(std::abs(in), std::abs(out)), in) / evidence.scale[j];
}

// Statistics x blocks.
Matrix statistics_of(const Increments& evidence, const LayerSeries& layers, int n_layers) {
  const auto [first, end] = range_of(n_layers);
  Matrix out(kStatistics, static_cast<std::size_t>(n_layers));
  for (std::size_t block = first; block < end; ++block) {
    std::map<Group, std::pair<double, double>> groups;
    for (std::size_t j = 0; j < layers.group.size(); ++j) {
      const double gain = step_gain(off(evidence, block, j));
      out(0, block) += layers.weight[j] * gain;
      groups[layers.group[j]].first += gain;
      groups[layers.group[j]].second += 1.0;
    }
    for (const auto& [group, sum] : groups) out(1, block) = std::max(out(1, block), sum.first / sum.second);
  }
  return out;
}

std::array<double, kStatistics> largest_of(const Matrix& statistics) {
  std::array<double, kStatistics> largest{};
  for (std::size_t s = 0; s < kStatistics; ++s)
    largest[s] = *std::max_element(statistics.row(s).begin(), statistics.row(s).end());
  return largest;
}

std::vector<std::string> signals_off(const Increments& evidence, const LayerSeries& layers,
                                     std::size_t block) {
  std::vector<std::pair<double, std::string>> sizes;
  for (std::size_t j = 0; j < layers.used.size(); ++j) {
    const double size = std::abs(off(evidence, block, j));
    if (size >= kNotableSigmas) sizes.emplace_back(size, layers.used[j]);
  }
  std::stable_sort(sizes.begin(), sizes.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (auto& [size, name] : sizes) names.push_back(std::move(name));
  return names;
}

}  // namespace

std::vector<OddBlock> odd_blocks(const Trace& trace, const SegmentationOptions& options) {
  std::vector<OddBlock> odd;
  const int n = trace.n_layers();
  if (n < 8) return odd;
  const auto [first, end] = range_of(n);
  if (end <= first + 2) return odd;
  const LayerSeries layers = layer_series(trace, TokenSet::ordinary, options.seed, 0);
  if (!layers.undefined.empty()) return odd;
  const Increments evidence = increments_of(layers.y);
  const Matrix root = root_of(residual_correlation(evidence.residual, evidence.scale, layers.weight, n));
  const auto count = std::min<std::size_t>(kMostSurrogates, static_cast<std::size_t>(options.surrogates));
  std::vector<std::array<double, kStatistics>> null(count);
  parallel_for(count, options.threads, [&](std::size_t i) {
    Philox rng({.seed = options.seed,
                .stream = Stream::surrogate,
                .a = kSurrogates,
                .b = static_cast<std::uint32_t>(i)});
    // Each block off by itself: the noise in which most blocks look odd.
    const Matrix y = heavy_tailed(layers.y.rows, root, rng);
    null[i] = largest_of(statistics_of(increments_of(y), layers, n));
  });
  std::array<double, kStatistics> threshold{};
  for (std::size_t s = 0; s < kStatistics; ++s) {
    std::vector<double> sample;
    for (const auto& largest : null) sample.push_back(largest[s]);
    threshold[s] = stats::quantile(sample, 1.0 - kLevel) + 1e-300;
  }
  const auto evidence_of = [&](const auto& at) {
    double value = 0.0;
    for (std::size_t s = 0; s < kStatistics; ++s) value = std::max(value, at(s) / threshold[s]);
    return value;
  };
  const Matrix statistics = statistics_of(evidence, layers, n);
  for (std::size_t block = first; block < end; ++block) {
    OddBlock found{.block = static_cast<int>(block),
                   .evidence = evidence_of([&](std::size_t s) { return statistics(s, block); })};
    const auto exceeding = std::count_if(null.begin(), null.end(), [&](const auto& largest) {
      return evidence_of([&](std::size_t s) { return largest[s]; }) >= found.evidence;
    });
    found.p_value = (1.0 + static_cast<double>(exceeding)) / (1.0 + static_cast<double>(count));
    if (found.p_value > kLevel) continue;
    found.signals = signals_off(evidence, layers, block);
    odd.push_back(std::move(found));
  }
  std::stable_sort(odd.begin(), odd.end(),
                   [](const auto& a, const auto& b) { return a.evidence > b.evidence; });
  return odd;
}

}  // namespace strata
