// The detector on the similarity of states.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/state_jumps.h"
#include "strata/segmentation/step_search.h"

namespace strata {
namespace {

Matrix diagonal(const std::vector<double>& values) {
  Matrix out(values.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) out(i, i) = values[i];
  return out;
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
  SearchProblem problem{.n_layers = trace.n_layers()};
  problem.score = [&] { return jumps; };
  problem.take_out = [](int, std::size_t) {};  // a jump is no part of any other
  problem.surrogate = [&](Philox& rng) { return state_jumps(layer_noise(n, axes, rng), smallest); };
  problem.with_step = [&](int edge, Philox& rng) {
    const Matrix walk = layer_noise(n, axes, rng);
    const double length = step_length(points, edge);
    // In a direction of its own: steps of a wide state hardly ever share one.
    Matrix wider(walk.rows, walk.cols + 1);
    for (std::size_t t = 0; t < n; ++t) {
      std::copy(walk.row(t).begin(), walk.row(t).end(), wider.row(t).begin());
      wider(t, walk.cols) = t >= static_cast<std::size_t>(edge) ? length : 0.0;
    }
    return state_jumps(wider, smallest);
  };
  problem.alone = [&](int) { return jumps; };
  std::vector<const Matrix*> replicates;
  if (options.intervals) {
    for (const Matrix& replicate : record->replicates) {
      if (replicate.rows == record->value.rows && replicate.cols == record->value.cols)
        replicates.push_back(&replicate);
    }
    if (replicates.empty()) search.note += "no CKA replicates: intervals hold layer noise only; ";
  }
  problem.half_samples = replicates.size();
  problem.in_half_sample = [&](int, std::size_t r) {
    return state_jumps(points_of(block_outputs(*replicates[r])), smallest);
  };
  search_steps(problem, options, search);
  return search;
}

}  // namespace strata
