// The plain forward pass of a few windows, layer-major, every state and logit shown to an observer.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/sweep/options.h"

namespace strata {

/// Called concurrently for different windows; each callback may write only what belongs to its window. An
/// empty callback is not called; without `output` no logits are computed.
struct ForwardObserver {
  /// State `state` (0..n_layers) of a window: (tokens, hidden).
  std::function<void(int state, std::size_t window, std::span<const float> h)> state;
  /// Rows [first, first + rows) of a window: the last state after the final norm (rows, hidden), and the
  /// logits (rows, vocab).
  std::function<void(std::size_t window, std::int64_t first, std::span<const float> normed,
                     std::span<const float> logits)>
      output;
};

struct ForwardOptions {
  int threads = 1;
  Compute compute{};
  Progress progress = {};  ///< phase "forward pass"
};

/// Runs every window (ids within the vocabulary, at least one each). Nothing is kept but one state of each
/// window. States that are not finite are shown as they are. Throws what loading the weights throws.
void forward_windows(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                     const ForwardOptions& options, const ForwardObserver& observer);

}  // namespace strata
