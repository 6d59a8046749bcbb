// How long each phase of a run took: for manifest.json.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace strata {

/// One phase at a time, as progress names them. A phase that comes back goes on adding to its own time.
class PhaseClock {
 public:
  using Clock = std::chrono::steady_clock;
  explicit PhaseClock(std::string first, Clock::time_point now = Clock::now())
      : phase_(std::move(first)), since_(now) {}

  /// What runs from now on is `phase`.
  void see(const std::string& phase, Clock::time_point now = Clock::now());
  /// Seconds of every phase so far, in the order in which they began.
  [[nodiscard]] std::vector<std::pair<std::string, double>> seconds(
      Clock::time_point now = Clock::now()) const;

 private:
  std::string phase_;
  Clock::time_point since_;
  std::vector<std::pair<std::string, double>> done_;
};

}  // namespace strata
