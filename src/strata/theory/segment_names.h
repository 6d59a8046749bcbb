// Segments, and names for them from what happens in them.
//
// Start-up: the leading blocks, at most startup_blocks, each of which moves the states by at least half more
// than any block behind startup_blocks and before the last two, blocks that open a segment set aside.
// Read-out: the last block or two, likewise. How far a block moves the states is cka_shift, or where the
// record has none for these blocks angular_step, block_influence or update_ratio. Blocks of either are in no
// segment.
//
// Names, the first that holds; segments of one name are numbered:
// 1. "Forced k": a segment of the forced split.
// 2. "Local", "Intermediate", "Global": three segments whose functions come in that order. The median
//    attention distance does not fall from the first to the last. Besides, it rises from each to the next, or
//    at least half of what lens_kl falls within them falls in the last and at most a quarter in the first.
// 3. "states at rest": block_influence, angular_step or cka_shift (the first the record has) is below a fifth
//    of what it is in the other segments (medians over blocks).
// 4. "prediction forming": at least 60% of what lens_kl falls within the segments falls here, and 1.5 times
//    as much a block as in the segments as a whole.
// 5. "local attention", "far attention": attention_distance is below 0.8 or above 1.25 times the others'.
// 6. "Segment k".
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// Fills start_up and read_out; reads `detections` and `headline`. Both are empty where no signal can be
/// used.
void find_ends(const Trace& trace, Findings& findings);

/// Segments between start_up and read_out cut by `edges`, named by the rules above.
[[nodiscard]] std::vector<Segment> named_segments(const Trace& trace, const std::vector<int>& edges,
                                                  bool forced, const Segment& start_up,
                                                  const Segment& read_out);

}  // namespace strata
