#include "strata/segmentation/smooth_splits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/state_jumps.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr std::uint32_t kPurpose = 1000;  // field a of the stream keys: no detector of the tests has it

// What a detector sees, ready for surrogates.
struct Source {
  Matrix residual;                           // increments: edges x coordinates
  std::optional<StepStatistics> statistics;  // signals; states where empty
  double smallest = 0.0;                     // states
};

std::optional<Source> signal_source(const Trace& trace, TokenSet tokens, std::uint64_t seed) {
  const LayerSeries series = layer_series(trace, tokens, seed, 0);
  if (!series.undefined.empty()) return {};
  return Source{.residual = increments(series.y, 1),
                .statistics = StepStatistics(series.y.rows, series.weight, series.group)};
}

std::optional<Source> state_source(const Trace& trace, TokenSet tokens) {
  const CkaRecord* record = find_cka(trace, tokens);
  if (record == nullptr || !cka_problem(*record, trace.n_layers()).empty()) return {};
  const Matrix similarity = block_outputs(record->value);
  return Source{.residual = increments(points_of(similarity), 1),
                .statistics = {},
                .smallest = smallest_step(similarity)};
}

// Statistics x L of a walk with increments noise residual / sqrt(edges).
Matrix statistic_of(const Source& source, const Matrix& noise) {
  Matrix walk(noise.rows, source.residual.cols);
  const std::size_t edges = source.residual.rows;
  const double scale = 1.0 / std::sqrt(static_cast<double>(edges));
  for (std::size_t t = 0; t < walk.rows; ++t) {
    for (std::size_t s = 0; s < edges; ++s) {
      const double a = scale * noise(t, s);
      for (std::size_t j = 0; j < walk.cols; ++j) walk(t, j) += a * source.residual(s, j);
    }
  }
  accumulate_rows(walk);
  return source.statistics ? source.statistics->at(walk).statistic : state_jumps(walk, source.smallest);
}

// Largest statistic of each edge, each in units of its 95% quantile over surrogates.
std::vector<std::vector<double>> evidence_of(const std::vector<Matrix>& statistics) {
  std::vector<double> threshold, largest;
  for (std::size_t s = 0; s < statistics.front().rows; ++s) {
    largest.clear();
    for (const Matrix& one : statistics)
      largest.push_back(*std::max_element(one.row(s).begin(), one.row(s).end()));
    threshold.push_back(std::max(stats::quantile(largest, 0.95), 1e-9));
  }
  std::vector<std::vector<double>> evidence;
  for (const Matrix& one : statistics) {
    std::vector<double> of_edge(one.cols, 0.0);
    for (std::size_t s = 0; s < one.rows; ++s) {
      for (std::size_t e = 0; e < one.cols; ++e) of_edge[e] = std::max(of_edge[e], one(s, e) / threshold[s]);
    }
    evidence.push_back(std::move(of_edge));
  }
  return evidence;
}

void set_two_strongest(const std::vector<double>& evidence, const std::vector<int>& candidates, int distance,
                       std::span<double> row) {
  const auto of = [&](int e) { return evidence[static_cast<std::size_t>(e)]; };
  int first = candidates.front(), second = 0;
  for (const int e : candidates) first = of(e) > of(first) ? e : first;
  for (const int e : candidates) {
    if (std::abs(e - first) >= distance && (second == 0 || of(e) > of(second))) second = e;
  }
  row[0] = std::min(first, second);
  row[1] = std::max(first, second);
}

}  // namespace

SmoothSplits smooth_splits(const Trace& trace, TokenSet tokens, const SmoothSplitOptions& options) {
  SmoothSplits result;
  const auto candidates = candidate_edges(trace.n_layers());
  const int distance = min_distance(trace.n_layers());
  if (candidates.empty() || candidates.back() - candidates.front() < 2 * distance) return result;
  std::vector<Source> sources;
  std::vector<std::string> names;
  if (auto source = signal_source(trace, tokens, options.seed)) {
    sources.push_back(std::move(*source));
    names.emplace_back("signals");
  }
  if (auto source = state_source(trace, tokens)) {
    sources.push_back(std::move(*source));
    names.emplace_back("states");
  }
  if (sources.empty()) return result;
  const auto n = static_cast<std::size_t>(trace.n_layers()),
             count = static_cast<std::size_t>(options.surrogates);
  std::vector<std::vector<Matrix>> statistics(sources.size(), std::vector<Matrix>(count));
  Matrix identity(n - 3, n - 3);
  for (std::size_t i = 0; i < identity.rows; ++i) identity(i, i) = 1.0;
  parallel_for(count, options.threads, [&](std::size_t i) {
    Philox rng({.seed = options.seed,
                .stream = Stream::surrogate,
                .a = kPurpose,
                .c = static_cast<std::uint32_t>(i)});
    const Matrix noise = heavy_tailed(n, identity, rng);
    for (std::size_t d = 0; d < sources.size(); ++d) statistics[d][i] = statistic_of(sources[d], noise);
  });
  std::vector<std::vector<std::vector<double>>> evidence;
  for (const auto& of_detector : statistics) evidence.push_back(evidence_of(of_detector));
  std::vector<std::vector<double>> either = evidence.front();
  for (std::size_t i = 0; i < count && evidence.size() > 1; ++i) {
    for (std::size_t e = 0; e < n; ++e) either[i][e] = std::max(either[i][e], evidence[1][i][e]);
  }
  result.detectors = {"either"};
  result.detectors.insert(result.detectors.end(), names.begin(), names.end());
  evidence.insert(evidence.begin(), std::move(either));
  for (const auto& of_detector : evidence) {
    Matrix& edges = result.edges.emplace_back(count, 2u);
    for (std::size_t i = 0; i < count; ++i)
      set_two_strongest(of_detector[i], candidates, distance, edges.row(i));
  }
  return result;
}

}  // namespace strata
