// Single blocks whose signals are off and come back.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

/// Of a block counts, per signal, the smaller of its increments in and out of it where they have opposite
/// signs. Two statistics, the mean gain over groups and the largest of one group, each in units of the 95%
/// quantile of its maximum over blocks in surrogates of layer noise (those of the step detector). A block is
/// odd when fewer than 5% of the surrogates have a block as large. Start-up and the last three blocks are
/// left out. By falling evidence.
[[nodiscard]] std::vector<OddBlock> odd_blocks(const Trace& trace, const SegmentationOptions& options);

}  // namespace strata
