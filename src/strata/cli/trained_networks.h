// Networks put together from the blocks of trained models, run by the engine, for `calibrate`.
#pragma once

#include <filesystem>
#include <vector>

#include "strata/calibration/trained.h"

namespace strata {

/// The trained models of the source tree that the program was built in. Throws Error(usage) where they are
/// not there.
[[nodiscard]] std::vector<std::filesystem::path> trained_models();

/// Opens the engine and the models. A network is written as a checkpoint of its own, reads two windows of
/// each of the tales (chosen by the plan's seed), and is measured by a clean sweep with every signal that
/// boundaries are found in. Networks are run one at a time on `threads` threads.
[[nodiscard]] TrainedModels trained_networks(const std::vector<std::filesystem::path>& models, int replicates,
                                             int threads);

}  // namespace strata
