// Where bottlenecks are trained, and for which exchange rates.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// At the first state of each segment: the compression weights that the Gaussian channel has there at the
/// strengths 0.03, 0.1, 0.3 and 1, as far as they are defined and positive. Empty without rate-distortion
/// curves.
[[nodiscard]] std::vector<BottleneckTask> bottleneck_grid(const Trace& trace,
                                                          const std::vector<Segment>& segments);

}  // namespace strata
