// Trains a variational bottleneck at chosen states, over a grid of exchange rates: rate-distortion curves
// that are achieved, beside the Gaussian channel's.
#pragma once

#include <vector>

#include "strata/sweep/frozen_network.h"
#include "strata/sweep/options.h"

namespace strata {

/// Throws Error(usage) with fewer than four windows: half train, half judge.
void require_bottleneck_sample(const std::vector<LaneWindow>& sample);

/// Bottlenecks are trained on every second window of the sample and judged on the others. Every (state, beta)
/// is trained on its own, so that the numbers do not depend on threads or on what else is asked for. All
/// blocks are in memory meanwhile, as planned for; they are float32 in every compute mode. Throws as above.
[[nodiscard]] std::vector<BottleneckCurve> run_bottlenecks(const LaneEngineInput& input,
                                                           const std::vector<BottleneckTask>& tasks,
                                                           const Progress& progress);

}  // namespace strata
