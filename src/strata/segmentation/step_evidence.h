// Evidence for a step at each edge: one column for each signal, then over signals.
//
// z is the jump of a signal at an edge, the increment less the running median of its neighbours, in units of
// the signal's roughness; where the block before or after undoes a part of it, what is left (a single odd
// block leaves nothing). Its gain is (8/2) ln(1 + z^2/8), the log-likelihood ratio of a step under noise with
// heavy tails (Student t), so that no signal can decide alone. Three statistics:
// 1. the mean gain, groups of signals weighing equally;
// 2. the same of whitened jumps: sign(z) sqrt(2 gain) of all signals times the inverse root of the
//    correlation of their increments, shrunk towards the identity. Signals that always move together count
//    once, and a change in an unusual direction counts more;
// 3. the largest mean gain of one group, for a change that only one kind of signal sees.
// In the first quarter of the depth an edge counts only where more changes than at every edge before it: else
// it is a part of the start-up.
#pragma once

#include <cstddef>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/record/trace.h"

namespace strata {

struct StepEvidence {
  Matrix statistic;           ///< 3 x L: column e is edge e, 0 where no edge is looked for
  Matrix z;                   ///< L x signals: the jump in units of roughness, signed
  Matrix residual;            ///< increments(y, 1): row t is edge t + 2
  std::vector<double> scale;  ///< roughness of an increment, per signal, 2% of the signal's range included
  std::vector<double> raw_scale;  ///< the same without that
  Matrix correlation;             ///< of the increments
};

/// What surrogates are drawn from.
struct LayerNoise {
  /// Root of the correlation whose estimate from layer noise has the mean square of the record's on average:
  /// of 0, 1/4, ... 2 times its off-diagonal elements. From some 20 edges those of independent signals come
  /// out too large, and those of dependent ones too small because the edges with the largest changes are left
  /// out.
  Matrix root;
  /// 0.3 where the sizes of edges (root of the mean gain; logarithm of the fourth largest over the median)
  /// spread more than in nine of ten draws of even noise, as where blocks are copies of each other and most
  /// of them change little; else 0.
  double uneven = 0.0;
};

/// The statistics of profiles of one shape.
class StepStatistics {
 public:
  /// `weight` of each signal, which add up to 1, and its group.
  StepStatistics(std::size_t n_layers, std::vector<double> weight, std::vector<Group> group);
  [[nodiscard]] StepEvidence at(const Matrix& y) const;
  /// Layer noise like that of a profile, without its steps.
  [[nodiscard]] LayerNoise noise_of(const StepEvidence& evidence) const;
  /// 3 x L: of each edge the larger of its statistics in y, and in y without the step of the edge with the
  /// largest first statistic (edges closer to it than min_distance left out of the second).
  [[nodiscard]] Matrix twice(const Matrix& y) const;
  /// y with the step at `edge` taken out of every signal, so that the next edge is looked for without it.
  /// `steps` receives what was taken out, per signal.
  [[nodiscard]] Matrix without_step(const Matrix& y, const StepEvidence& evidence, int edge,
                                    std::vector<double>* steps = nullptr) const;

 private:
  [[nodiscard]] double largest_of_groups(const std::vector<double>& gain) const;
  [[nodiscard]] double spread_of_sizes(const StepEvidence& evidence) const;
  [[nodiscard]] Matrix noise_correlation(const Matrix& estimate) const;
  void clear_startup(const Matrix& y, StepEvidence& evidence) const;

  std::size_t n_;
  std::vector<double> weight_;
  std::vector<Group> group_;
  std::vector<int> edges_;
};

}  // namespace strata
