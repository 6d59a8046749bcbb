// The detector on signal profiles.
#include <algorithm>
#include <map>
#include <utility>

#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/segmentation/step_search.h"

namespace strata {
namespace {

void add_step(Matrix& y, int edge, const std::vector<double>& step, double sign) {
  for (auto t = static_cast<std::size_t>(edge); t < y.rows; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) y(t, j) += sign * step[j];
  }
}

}  // namespace

StepSearch search_signals(const Trace& trace, TokenSet tokens, const SearchOptions& options) {
  StepSearch search;
  const LayerSeries series = layer_series(trace, tokens, options.common.seed,
                                          options.intervals ? options.common.bootstraps : 0, options.without);
  search.used = series.used;
  search.left_out = series.left_out;
  search.note = series.note;
  search.undefined = series.undefined;
  if (!search.undefined.empty()) return search;
  const std::size_t n = series.y.rows;
  const StepStatistics statistics(n, series.weight, series.group);
  StepEvidence evidence = statistics.at(series.y);
  const StepEvidence first = evidence;
  const LayerNoise noise = statistics.noise_of(first);
  Matrix profile = series.y;
  std::map<int, std::vector<double>> taken;
  SearchProblem problem{.n_layers = trace.n_layers()};
  problem.score = [&] {
    evidence = statistics.at(profile);
    return evidence.statistic;
  };
  problem.take_out = [&](int edge, std::size_t) {
    profile = statistics.without_step(profile, evidence, edge, &taken[edge]);
  };
  problem.surrogate = [&](Philox& rng) {
    return statistics.twice(layer_noise(n, noise.root, rng, noise.uneven));
  };
  problem.with_step = [&](int edge, Philox& rng) {
    Matrix y = layer_noise(n, noise.root, rng, noise.uneven);
    for (std::size_t t = 0; t < n; ++t) {
      for (std::size_t j = 0; j < y.cols; ++j) y(t, j) *= first.raw_scale[j];
    }
    add_step(y, edge, taken.at(edge), 1.0);
    return statistics.at(y).statistic;
  };
  problem.alone = [&](int edge) {
    Matrix y = profile;
    add_step(y, edge, taken.at(edge), 1.0);
    return statistics.at(y).statistic;
  };
  problem.planted = [&](double sigmas, const std::vector<int>& edges, Philox& rng) {
    Matrix y = layer_noise(n, noise.root, rng, noise.uneven);
    for (const int edge : edges) {
      std::vector<double> step(y.cols);
      for (std::size_t j = 0; j < step.size(); ++j) step[j] = rng.below(2) == 0 ? -sigmas : sigmas;
      add_step(y, edge, step, 1.0);
    }
    return y;
  };
  problem.score_of = [&](const Matrix& y) { return statistics.at(y).statistic; };
  problem.without = [&](const Matrix& y, int edge) {
    return statistics.without_step(y, statistics.at(y), edge);
  };
  problem.half_samples = series.deviations.size();
  problem.in_half_sample = [&](int edge, std::size_t r) {
    Matrix y = series.y;
    for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] += series.deviations[r].data[i];
    for (const auto& [other, step] : taken) {
      if (other != edge) add_step(y, other, step, -1.0);
    }
    return statistics.at(y).statistic;
  };
  search_steps(problem, options, search);
  return search;
}

}  // namespace strata
