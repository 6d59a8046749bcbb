// One trial of one cell: plant, detect, and say which measures came true.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strata/calibration/cells.h"

namespace strata {

struct Measure {
  std::string name;
  std::optional<double> bar;
  bool bar_is_upper = false;
};

/// The measures of this cell, with their bars where the cell is one that has to meet them. Bars are those of
/// the rule "either".
[[nodiscard]] std::vector<Measure> measures_of(const CalibrationCell& cell, const std::string& detector);

/// One truth value for each measure; none where the measure has no meaning in this trial (the interval of a
/// boundary that was not found, recovery of edges that the oracle does not see).
using Outcome = std::vector<std::optional<bool>>;

/// The outcome of each detector. `rules` ask for the forced two-boundary split; "fused_top_two_peaks" is a
/// detector there.
[[nodiscard]] std::vector<Outcome> run_trial(const CalibrationCell& cell,
                                             const std::vector<std::string>& detectors, int trial,
                                             const CalibrationOptions& options);

}  // namespace strata
