// Where signals change without a step: described, not tested.
#pragma once

#include <string>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

/// A signal that makes half of its way through the network in few blocks.
struct GradualChange {
  std::string signal, unit;
  Group group = Group::control;
  double before = 0.0,
         after = 0.0;       ///< medians of the first and last three blocks between start-up and last block
  int first = 0, last = 0;  ///< the blocks that make half of the way
};

/// Signals of ordinary tokens, no controls, whose way is at least 80% of their range between the start-up and
/// the last block (10% to 90% quantile) and half of which is made in at most a sixth of those blocks.
/// One for each group of signals, that with the fewest blocks.
[[nodiscard]] std::vector<GradualChange> gradual_changes(const Trace& trace);

}  // namespace strata
