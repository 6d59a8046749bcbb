// The residual stream of chosen states, shown to the caller.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "strata/base/progress.h"
#include "strata/workflow/analyze.h"
#include "strata/workflow/model.h"

namespace strata {

/// `values`: (tokens, hidden) of one window, float32, row-major, at `state`: 0 is the embedding's output, l
/// the output of block l - 1 (before the final norm). Called from several threads at once for different
/// windows.
using StateObserver = std::function<void(int state, std::size_t window, std::span<const float> values)>;

/// Shows `states` (0 to blocks()) of every window, one state after the other, in one pass over the weights.
/// The residual stream lies in a temporary file, so memory does not grow with the text. Throws Error(usage)
/// for a state that the model has not, Error(interrupted) where `progress` says so.
void for_each_state(const Model& model, const Text& text, const std::vector<int>& states,
                    const StateObserver& observer, const Resources& resources = {},
                    const Progress& progress = {});

}  // namespace strata
