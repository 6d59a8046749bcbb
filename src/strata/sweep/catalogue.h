// What can be measured, by id: the words of --signals and --intervention.
#pragma once

#include <string>
#include <vector>

namespace strata {

/// Every signal: those of the clean sweep, then those of the backward sweep.
[[nodiscard]] std::vector<std::string> signal_ids();
/// Those that MeasureOptions::clean_only measures.
[[nodiscard]] std::vector<std::string> clean_signal_ids();
/// Those that boundaries are found in.
[[nodiscard]] std::vector<std::string> detector_signal_ids();
[[nodiscard]] std::vector<std::string> intervention_ids();

}  // namespace strata
