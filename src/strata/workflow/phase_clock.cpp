#include "strata/workflow/phase_clock.h"

#include <algorithm>

namespace strata {
namespace {

void add(std::vector<std::pair<std::string, double>>& phases, const std::string& name, double seconds) {
  const auto known =
      std::find_if(phases.begin(), phases.end(), [&](const auto& one) { return one.first == name; });
  if (known != phases.end()) {
    known->second += seconds;
  } else {
    phases.emplace_back(name, seconds);
  }
}

double between(PhaseClock::Clock::time_point from, PhaseClock::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void PhaseClock::see(const std::string& phase, Clock::time_point now) {
  if (phase == phase_) return;
  add(done_, phase_, between(since_, now));
  phase_ = phase;
  since_ = now;
}

std::vector<std::pair<std::string, double>> PhaseClock::seconds(Clock::time_point now) const {
  auto all = done_;
  add(all, phase_, between(since_, now));
  return all;
}

}  // namespace strata
