// Everything that is concluded from a record: boundaries, brittleness, and the headline in words.
#pragma once

#include "strata/record/findings.h"
#include "strata/record/trace.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

/// The boundaries, what changes at them, and the segments they make; everything else of the findings is
/// empty.
[[nodiscard]] Findings find_segments(const Trace& trace, const SegmentationOptions& options);

/// Brittleness over the segments that `findings` has, and the sentences. Needs the lanes over segments, which
/// can run only once the segments are known.
void add_brittleness(const Trace& trace, std::uint64_t seed, Findings& findings);

/// Both: runs the detectors, names the segments (of the headline detection, else of its forced two-boundary
/// split), estimates kappa and the segments' brittleness, and puts the headline into words.
/// `twins`: what count_record says of networks with random weights, one vector for each.
[[nodiscard]] Findings conclude(const Trace& trace, const SegmentationOptions& options,
                                const std::vector<std::vector<RecordCount>>& twins = {});

}  // namespace strata
