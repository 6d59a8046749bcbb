#include "strata/theory/bottleneck_grid.h"

#include "strata/theory/kappa.h"
#include "strata/theory/rate_distortion.h"

namespace strata {

std::vector<BottleneckTask> bottleneck_grid(const Trace& trace, const std::vector<Segment>& segments) {
  constexpr double kSmallest = 0.03;  // below it nearly everything passes and every encoder is as good
  std::vector<BottleneckTask> tasks;
  for (const auto& [state, curve] : rate_distortion(trace, estimate_kappa(trace))) {
    for (const Segment& segment : segments) {
      if (segment.begin != state) continue;
      BottleneckTask task{.state = state, .grid = {}};
      for (const RatePoint& point : curve.points) {
        if (point.strength >= kSmallest && point.beta > 0.0)
          task.grid.push_back({point.beta, point.strength});
      }
      if (!task.grid.empty()) tasks.push_back(std::move(task));
    }
  }
  return tasks;
}

}  // namespace strata
