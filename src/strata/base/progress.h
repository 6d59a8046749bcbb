// How far a long job is, for whoever waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace strata {

struct ProgressEvent {
  std::string phase;  ///< "clean sweep", "lanes", "boundaries" ...
  int step = 0;       ///< steps done in this phase
  int steps = 0;
  std::int64_t tokens = 0;  ///< tokens pushed through a block by this step
};

/// Called between steps; returns false to interrupt (the job then throws Error(interrupted)).
using Progress = std::function<bool(const ProgressEvent&)>;

}  // namespace strata
