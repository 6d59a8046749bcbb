// The plans of a calibration, as a table.
#pragma once

#include <string>
#include <vector>

#include "strata/calibration/calibrate.h"

namespace strata {

struct CalibrationCell {
  std::string kind, name;
  PlantedSpec spec;
  TrainedKind trained = TrainedKind::one_block;  ///< of PlantedShape::trained
};

/// Every cell of the kinds and layers asked for, in the order of the tables.
[[nodiscard]] std::vector<CalibrationCell> calibration_cells(const CalibrationOptions& options);

/// The edges that cut `n_layers` into k + 1 segments of nearly the same length.
[[nodiscard]] std::vector<int> even_edges(int n_layers, int k);

}  // namespace strata
