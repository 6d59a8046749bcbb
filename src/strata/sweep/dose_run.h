// Lanes into dose curves: on the whole lane sample, or on as many of its documents as the answer needs.
#pragma once

#include <vector>

#include "strata/record/trace.h"
#include "strata/sweep/lanes.h"

namespace strata {

/// Curves to measure, and the lanes that they take.
struct DosePlan {
  std::vector<DoseCurve> curves;           ///< without values
  std::vector<const LaneShare*> share_of;  ///< per curve; null: on the whole sample
  std::vector<Lane> lanes;                 ///< by fork
  std::vector<std::size_t> curve_of;       ///< per lane
  std::vector<std::size_t> strength_of;    ///< per lane
};

/// See measure_curves.
[[nodiscard]] std::vector<DoseCurve> run_doses(const LaneEngineInput& input, DosePlan plan,
                                               const Progress& progress);

}  // namespace strata
