// What lanes did to the next-token distributions: logits of the clean lane and of every other, compared chunk
// by chunk, never kept.
#pragma once

#include <span>
#include <vector>

#include "strata/sweep/lane_engine.h"

namespace strata {

/// State L of one lane, (rows of every window, hidden), and the head that reads it.
struct LaneOutput {
  const float* state = nullptr;
  const LaneModel* model = nullptr;
};

/// damage[lane][window]. `offset` holds the first row of each window; outputs[0] is the clean lane.
[[nodiscard]] std::vector<std::vector<Damage>> compare_lanes(const LaneEngineInput& input,
                                                             std::span<const std::int64_t> offset,
                                                             std::span<const LaneOutput> outputs);

}  // namespace strata
