// Substitution lanes: the original network with one part taken from its twin.
#pragma once

#include <vector>

#include "strata/record/divergence.h"
#include "strata/sweep/lane_engine.h"

namespace strata {

/// Everything, embedding, blocks 0..L-1, head, in this order; `input.other` is the twin. The head's lane has
/// no stream of its own: it reads the clean one.
[[nodiscard]] std::vector<Substitution> run_substitutions(const LaneEngineInput& input,
                                                          const Progress& progress);

}  // namespace strata
