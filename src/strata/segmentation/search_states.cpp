// The detector on the similarity of states.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/state_jumps.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/segmentation/step_search.h"

namespace strata {
namespace {

// Lengths of steps vary less than signals do: a vector of many coordinates averages over them.
constexpr int kTailDegrees = 12;
constexpr double kSmallestShift = 1e-6;  // of 1 - CKA

// ln(1 - CKA) of the states on both sides of each block; the first block's shift is not known from block
// outputs and takes part in nothing.
Matrix speed_of(const Matrix& similarity) {
  Matrix speed(similarity.rows, 1);
  for (std::size_t l = 1; l < similarity.rows; ++l)
    speed(l, 0) = std::log(std::max(1.0 - similarity(l - 1, l), kSmallestShift));
  speed(0, 0) = speed(1, 0);
  return speed;
}

Matrix stacked(const Matrix& jumps, const Matrix& speed) {
  Matrix out(4, jumps.cols);
  for (std::size_t e = 0; e < out.cols; ++e) {
    out(0, e) = jumps(0, e);
    out(1, e) = jumps(1, e);
    out(2, e) = speed(0, e);
    out(3, e) = speed(1, e);
  }
  return out;
}

Matrix diagonal(const std::vector<double>& values) {
  Matrix out(values.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) out(i, i) = values[i];
  return out;
}

Matrix speed_noise(std::size_t n, double walk, Philox& rng) {
  const Matrix one(1, 1, 1.0);
  Matrix own = heavy_tailed(n, one, rng, kTailDegrees), steps = heavy_tailed(n, one, rng, kTailDegrees);
  accumulate_rows(steps);
  for (std::size_t t = 0; t < n; ++t) own(t, 0) += std::sqrt(walk) * steps(t, 0);
  return own;
}

Matrix walk_noise(std::size_t n, const Matrix& axes, Philox& rng) {
  Matrix walk = heavy_tailed(n, axes, rng, kTailDegrees);
  accumulate_rows(walk);
  return walk;
}

// Length of the step that lasts at an edge.
double step_length(const Matrix& points, int edge) {
  const Matrix steps = increments(points, 1);
  double square = 0.0;
  for (const double x : steps.row(static_cast<std::size_t>(edge - 2))) square += x * x;
  return std::sqrt(square);
}

}  // namespace

StepSearch search_states(const Trace& trace, TokenSet tokens, const SearchOptions& options) {
  StepSearch search;
  const CkaRecord* record = find_cka(trace, tokens);
  search.undefined = record == nullptr ? "the record has no CKA matrix for these tokens"
                                       : cka_problem(*record, trace.n_layers());
  if (!search.undefined.empty()) return search;
  search.used = {"cka_matrix"};
  const Matrix similarity = block_outputs(record->value);
  const std::size_t n = similarity.rows;
  const Matrix points = points_of(similarity);
  const double smallest = smallest_step(similarity);
  const Matrix jumps = state_jumps(points, smallest);
  const Matrix axes = diagonal(step_axes(points));
  const StepStatistics statistics(n, {Group::representation}, {1.0}, 2);  // an odd state moves two speeds
  Matrix speed = speed_of(similarity);
  StepEvidence evidence = statistics.at(speed);
  const StepEvidence first = evidence;
  struct Taken {
    bool jump = false;
    std::vector<double> step;
  };
  std::map<int, Taken> taken;
  SearchProblem problem{.n_layers = trace.n_layers()};
  problem.score = [&] {
    evidence = statistics.at(speed);
    return stacked(jumps, evidence.statistic);
  };
  problem.take_out = [&](int edge, std::size_t statistic) {
    Taken& own = taken[edge];
    own.jump = statistic < 2;
    const Matrix without = statistics.without_step(speed, evidence, edge, &own.step);
    if (!own.jump) speed = without;
  };
  problem.surrogate = [&](Philox& rng) {
    const Matrix moved = state_jumps(walk_noise(n, axes, rng), smallest);
    return stacked(moved, statistics.twice(speed_noise(n, first.walk[0], rng)));
  };
  const Matrix no_jumps(2, n), no_speed(3, n);
  problem.with_step = [&](int edge, Philox& rng) {
    const Taken& own = taken.at(edge);
    if (own.jump) {
      Matrix walk = walk_noise(n, axes, rng);
      const double length = step_length(points, edge);
      // In a direction of its own: steps of a wide state hardly ever share one.
      Matrix wider(walk.rows, walk.cols + 1);
      for (std::size_t t = 0; t < n; ++t) {
        std::copy(walk.row(t).begin(), walk.row(t).end(), wider.row(t).begin());
        wider(t, walk.cols) = t >= static_cast<std::size_t>(edge) ? length : 0.0;
      }
      return stacked(state_jumps(wider, smallest), no_speed);
    }
    Matrix y = speed_noise(n, first.walk[0], rng);
    for (double& x : y.data) x *= first.raw_scale[0] / std::sqrt(2.0 + first.walk[0]);
    for (auto t = static_cast<std::size_t>(edge); t < n; ++t) y(t, 0) += own.step[0];
    return stacked(no_jumps, statistics.at(y).statistic);
  };
  problem.alone = [&](int edge) {
    Matrix y = speed;
    const Taken& own = taken.at(edge);
    for (auto t = static_cast<std::size_t>(edge); t < n && !own.jump; ++t) y(t, 0) += own.step[0];
    return stacked(jumps, statistics.at(y).statistic);
  };
  std::vector<const Matrix*> replicates;
  if (options.intervals) {
    for (const Matrix& replicate : record->replicates) {
      if (replicate.rows == record->value.rows && replicate.cols == record->value.cols)
        replicates.push_back(&replicate);
    }
    if (replicates.empty()) search.note += "no CKA replicates: intervals hold layer noise only; ";
  }
  problem.half_samples = replicates.size();
  problem.in_half_sample = [&](int edge, std::size_t r) {
    const Matrix half = block_outputs(*replicates[r]);
    if (taken.at(edge).jump) return stacked(state_jumps(points_of(half), smallest), no_speed);
    Matrix y = speed_of(half);
    for (const auto& [other, own] : taken) {
      if (other == edge || own.jump) continue;
      for (auto t = static_cast<std::size_t>(other); t < n; ++t) y(t, 0) -= own.step[0];
    }
    return stacked(no_jumps, statistics.at(y).statistic);
  };
  search_steps(problem, options, search);
  return search;
}

}  // namespace strata
