// What an effort buys: sizes of samples, lanes and nulls, from counts of the text and the model alone, never
// from the clock. Costs are in forward passes over the text.
#pragma once

#include <string>
#include <string_view>

#include "strata/sweep/measure.h"
#include "strata/workflow/analyze.h"

namespace strata {

/// Fills in what the request leaves to the effort: interventions and their shares of the lane sample, draws
/// of the labels, documents of the backward sweep.
void apply_effort(const Request& request, const MeasureInput& input, MeasureOptions& options);

/// Request::null_models and shuffled_text where the request leaves them to the effort, in the words of those.
struct NullChoice {
  std::string null_models, shuffled_text;
  bool sampled = false;  ///< networks with random weights see the sample that is shuffled, not the whole text
};
[[nodiscard]] NullChoice nulls_of(const Request& request);

[[nodiscard]] const char* to_string(Effort effort);
/// Throws Error(usage) that says which there are.
[[nodiscard]] Effort effort_named(std::string_view name);

}  // namespace strata
