// Evidence for a step at each edge: one column for each signal (or coordinate), then over signals.
//
// z is a step in units of the roughness of its signal; its gain is (8/2) ln(1 + z^2/8), the log-likelihood
// ratio of a step under noise with heavy tails (Student t), so that no signal can decide alone. Three
// statistics:
// 1. jump: the increment at the edge, less the running median of its neighbours; where the block before or
// after
//    undoes a part of it, what is left (a single odd block leaves nothing). Mean gain, groups weighing
//    equally.
// 2. level: where a signal is rough (white noise hides a step in one increment), the step in a generalised
//    least-squares fit of a parabola and a step to up to 8 blocks on both sides, with the signal's own share
//    of walk; elsewhere as 1. Mean gain.
// 3. one group: the largest mean gain of 1 in any one group of signals.
// In the first quarter of the depth an edge counts only where more changes than at every edge before it: else
// it is a part of the start-up.
#pragma once

#include <cstddef>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/record/trace.h"

namespace strata {

struct StepEvidence {
  Matrix statistic;  ///< 3 x L: jump, level, one group; column e is edge e, 0 where no edge is looked for
  Matrix z;          ///< L x signals: the jump in units of roughness, signed
  Matrix residual;   ///< increments(y, 1): row t is edge t + 2
  std::vector<double> scale;  ///< roughness of an increment, per signal, 2% of the signal's range included
  std::vector<double> raw_scale;  ///< the same without that
  std::vector<double> walk;       ///< walk_share, per signal
  std::vector<bool> rough;        ///< per signal
};

/// The statistics of profiles of one shape.
class StepStatistics {
 public:
  /// `undone_by`: how many blocks in a row may undo a jump: 1, or 2 for a series that one odd state moves
  /// twice.
  StepStatistics(std::size_t n_layers, std::vector<Group> group, std::vector<double> weight,
                 std::size_t undone_by = 1);
  [[nodiscard]] StepEvidence at(const Matrix& y) const;
  /// 3 x L: of each edge the larger of its statistics in y, and in y without the step of the edge with the
  /// largest jump statistic (edges closer to it than min_distance left out of the second).
  [[nodiscard]] Matrix twice(const Matrix& y) const;
  /// y with the step at `edge` taken out of every signal, so that the next edge is looked for without it.
  /// `steps` receives what was taken out, per signal.
  [[nodiscard]] Matrix without_step(const Matrix& y, const StepEvidence& evidence, int edge,
                                    std::vector<double>* steps = nullptr) const;

 private:
  struct Fit {
    std::size_t first = 0;                     // block
    std::vector<std::vector<double>> weights;  // per walk share: contrast in units of the noise of one block
  };
  void level_z(const Matrix& y, const StepEvidence& evidence, Matrix& z) const;
  void clear_startup(const Matrix& y, StepEvidence& evidence) const;
  [[nodiscard]] std::vector<double> group_means(std::span<const double> gains) const;

  std::size_t n_, undone_by_;
  std::vector<Group> group_;
  std::vector<double> weight_;
  std::vector<int> edges_;
  std::vector<Fit> fits_;                          // of each edge
  std::vector<std::vector<std::size_t>> members_;  // of each group
};

/// (8/2) ln(1 + z^2/8).
[[nodiscard]] double step_gain(double z);

}  // namespace strata
