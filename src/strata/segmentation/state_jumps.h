// Evidence in the similarity of states: the CKA matrix of the block outputs as points whose squared distances
// are 2 - 2 CKA. Two statistics for each edge:
// 1. jump against size: the step between the two outputs, less the running median of its neighbours (as a
//    vector), in units of the robust_quantile of such steps;
// 2. jump against spread: its logarithm above the median, in units of the spread of logarithms: blocks differ
//    in how far they move the state, and a step that is unusual for one network is usual for another.
// Of a step counts only what lasts: what is left along it when the block before or after is left out. It must
// be larger than both its neighbours, and in the first quarter of the depth larger than every step before it.
#pragma once

#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// Points (blocks x coordinates) with inner products `similarity` (L x L), negative eigenvalues clipped.
[[nodiscard]] Matrix points_of(const Matrix& similarity);

/// Length of a step too small to matter: 2% of the distance between states of the inner blocks that are far
/// apart.
[[nodiscard]] double smallest_step(const Matrix& similarity);

/// 2 x L: both statistics; 0 where no edge is looked for.
[[nodiscard]] Matrix state_jumps(const Matrix& points, double smallest);

/// Standard deviations of the steps along their principal axes, the largest shortened to the
/// robust_quantile of their lengths: what surrogates walk with.
[[nodiscard]] std::vector<double> step_axes(const Matrix& points);

}  // namespace strata
