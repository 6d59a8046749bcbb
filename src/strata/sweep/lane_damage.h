// What lanes did to the next-token distributions: logits of the clean lane and of every other, computed for
// many lanes at once and compared strip by strip of the vocabulary, never kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/sweep/lane_engine.h"

namespace strata {

/// State L of one lane, (rows of every window, hidden), and the head that reads it.
struct LaneOutput {
  const float* state = nullptr;
  const LaneModel* model = nullptr;
};

/// Bytes of one thread that compares, and of each token of each lane. Lanes with a head of their own keep
/// kLogitRows rows of logits beside them.
[[nodiscard]] std::uint64_t comparison_bytes(const ModelConfig& config, const Backend& backend);
inline constexpr std::uint64_t kComparedTokenBytes = 24;

/// damage[lane][window]. `offset` holds the first row of each window; outputs[0] is the clean lane.
[[nodiscard]] std::vector<std::vector<Damage>> compare_lanes(const LaneEngineInput& input,
                                                             std::span<const std::int64_t> offset,
                                                             std::span<const LaneOutput> outputs,
                                                             const Progress& progress);

}  // namespace strata
