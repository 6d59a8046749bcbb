// One plain forward pass whose residual stream lies in a file: every state, and what attention does, shown
// to an observer, for any number of windows in the memory of a few.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/sweep/options.h"

namespace strata {

/// Columns of the attention summary of one query, each the mean over heads of what docs/signals.md defines;
/// NaN where fewer than two keys are left. The last two are without position 0 of the window among the keys.
inline constexpr int kAttentionColumns = 4;  // distance, entropy, distance and entropy without the first

struct StateStreamObserver {
  /// Called alone before any window shows this state.
  std::function<void(int state)> begin_state;
  /// (tokens, hidden) of a window; called concurrently for different windows, as is `attention`.
  std::function<void(int state, std::size_t window, std::span<const float> h)> state;
  /// (tokens, kAttentionColumns) of a window in a block; between begin_state and end_state of block + 1.
  std::function<void(int block, std::size_t window, std::span<const double> summary)> attention;
  /// Called alone when every window has shown this state. What it throws ends the stream.
  std::function<void(int state)> end_state;
};

struct StateStreamOptions {
  int first_state = 0, last_state = 0;  ///< shown, both included
  std::vector<int> attention_blocks;    ///< ascending; within [first_state, last_state)
  /// Fills state `first_state` of a window when that is not 0.
  std::function<void(std::size_t window, std::span<float> h)> load;
  std::filesystem::path scratch;  ///< directory of the nameless file that holds the residual stream
  int threads = 1;
  Progress progress = {};  ///< phase "states"
};

/// Bytes of that file, and of memory at the peak.
struct StateStreamPlan {
  std::uint64_t scratch_bytes = 0, memory_bytes = 0;
};
[[nodiscard]] StateStreamPlan plan_state_stream(const Checkpoint& checkpoint,
                                                const std::vector<std::vector<std::int32_t>>& windows,
                                                int threads);

/// Runs the windows (ids within the vocabulary, at least one each) through blocks first_state..last_state-1.
/// A window's numbers depend on that window alone. States that are not finite are shown as they are. Throws
/// what loading the weights throws, Error(run_failed) when the scratch file fails.
void stream_states(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                   const StateStreamOptions& options, const StateStreamObserver& observer);

}  // namespace strata
