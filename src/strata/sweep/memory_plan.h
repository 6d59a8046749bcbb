// How much memory each phase of a measurement takes, and what it gives up when that is more than it may have.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/signals/signal.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/options.h"

namespace strata {

struct MemoryItem {
  std::string what;
  std::uint64_t bytes = 0;
};

struct MemoryPhase {
  std::string name;
  std::vector<MemoryItem> items;
  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const MemoryItem& item : items) sum += item.bytes;
    return sum;
  }
};

struct MemoryPlan {
  std::vector<MemoryPhase> phases;  ///< in order; memory of one is given back before the next
  MemoryChoice choice;
  int threads = 1;
  std::uint64_t lane_bytes = 0, backward_bytes = 0;  ///< as in MeasureOptions
  std::int64_t lanes_at_once = 0;                    ///< beside the clean lane
  std::uint64_t spilled_bytes = 0;                   ///< temporary files at their largest

  [[nodiscard]] const MemoryPhase& peak() const {
    return *std::max_element(phases.begin(), phases.end(), [](const MemoryPhase& a, const MemoryPhase& b) {
      return a.bytes() < b.bytes();
    });
  }
};

/// What is planned for. `context.threads` is what the user asked for.
struct MemoryInput {
  const Checkpoint& checkpoint;
  const SweepContext& context;
  const MeasureOptions& options;
  const std::vector<LaneWindow>& sample;
  std::int64_t lanes = 0;
  int extra_blocks = 0;  ///< of weights that lanes hold beside the current and the next one
};

/// Everything in memory where that fits. Else, one after the other until it does: what signals keep is
/// spilled, then the residual streams; only the used rows of the embedding are kept; the next block is no
/// longer read ahead; fewer threads. Lanes get what is left. Throws Error(out_of_memory) saying what would
/// fit.
[[nodiscard]] MemoryPlan plan_memory(const MemoryInput& input, std::uint64_t limit_bytes);

}  // namespace strata
