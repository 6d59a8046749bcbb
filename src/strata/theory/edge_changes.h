// What changes at each boundary, from the record alone.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

/// A signal changes at an edge where its step_sigmas reach this.
inline constexpr double kNotableSigmas = 3.0;

/// Edges this many blocks apart or fewer are the same place: the rule's own tolerance.
inline constexpr int kSamePlace = 2;

/// One for each boundary of the headline detection, then one for each edge of its forced split that is none;
/// in the order of the detection. Reads `detections`, `headline`, `start_up` and `read_out` of `findings`.
/// Empty without a headline.
[[nodiscard]] std::vector<EdgeChange> edge_changes(const Trace& trace, const Findings& findings,
                                                   const SegmentationOptions& options);

}  // namespace strata
