// manifest.json has a time for each phase.
#include "strata/workflow/phase_clock.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

using std::chrono::seconds;

TEST(PhaseClock, AddsUpEachPhaseInTheOrderOfTheirBeginnings) {
  const PhaseClock::Clock::time_point begin{};
  PhaseClock clock("open and plan", begin);
  clock.see("clean sweep", begin + seconds(2));
  clock.see("clean sweep", begin + seconds(3));
  clock.see("lanes", begin + seconds(10));
  clock.see("clean sweep", begin + seconds(11));  // comes back
  clock.see("backward sweep", begin + seconds(15));
  const auto times = clock.seconds(begin + seconds(20));
  const std::vector<std::pair<std::string, double>> expected = {
      {"open and plan", 2.0}, {"clean sweep", 12.0}, {"lanes", 1.0}, {"backward sweep", 5.0}};
  EXPECT_EQ(times, expected);
  EXPECT_EQ(clock.seconds(begin + seconds(21)).back().second, 6.0);  // goes on
}

}  // namespace
}  // namespace strata
