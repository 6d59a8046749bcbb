// Networks put together from the blocks of trained models, for `calibrate`.
#pragma once

#include <filesystem>
#include <vector>

#include "strata/calibration/trained.h"

namespace strata {

/// Opens the models. A network is written as a checkpoint of its own, reads two windows of
/// each document of `texts` (chosen by the plan's seed), and is measured by a clean sweep with every signal
/// that boundaries are found in. Networks are run one at a time on `threads` threads.
[[nodiscard]] TrainedModels trained_networks(const std::vector<std::filesystem::path>& models,
                                             const std::filesystem::path& texts, int replicates, int threads);

}  // namespace strata
