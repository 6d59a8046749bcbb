// The search that both step detectors share. A detector says how a profile scores, how a surrogate of it is
// drawn, and how a step is taken out; see step_detector.h for the rule.
#pragma once

#include <functional>

#include "strata/base/matrix.h"
#include "strata/base/philox.h"
#include "strata/segmentation/step_detector.h"

namespace strata {

struct SearchProblem {
  int n_layers = 0;
  /// Statistics x L of the profile, steps already accepted taken out; called again after each take_out.
  std::function<Matrix()> score;
  /// Takes the step at an edge out of the profile; `statistic` carried it.
  std::function<void(int edge, std::size_t statistic)> take_out;
  /// Statistics x L of a surrogate without steps: of each edge the larger of its values before and after the
  /// strongest step was taken out. Called concurrently.
  std::function<Matrix(Philox& rng)> surrogate;
  /// Statistics x L of layer noise with the step of `edge` alone, as it was taken out. Called concurrently.
  std::function<Matrix(int edge, Philox& rng)> with_step;
  /// Statistics x L of the profile with every step taken out so far but that of `edge`.
  std::function<Matrix(int edge)> alone;
  /// A profile of layer noise with a step of so many standard deviations of an increment in every
  /// signal, of random sign, at each of the edges; the statistics of a profile; a profile without the step at
  /// an edge. For the power; null: none is measured. Called concurrently.
  std::function<Matrix(double sigmas, const std::vector<int>& edges, Philox& rng)> planted;
  std::function<Matrix(const Matrix& profile)> score_of;
  std::function<Matrix(const Matrix& profile, int edge)> without;
  /// Number of half-samples of the documents, and the statistics of one of them around `edge`, the other
  /// accepted steps taken out. Called concurrently.
  std::size_t half_samples = 0;
  std::function<Matrix(int edge, std::size_t half_sample)> in_half_sample;
};

/// Fills evidence, null_sample, steps and accepted; at least two steps are looked for, for the forced split.
void search_steps(const SearchProblem& problem, const SearchOptions& options, StepSearch& search);

}  // namespace strata
