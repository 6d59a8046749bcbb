// The registered predictions; each is defined in the file of its name.
#pragma once

#include "strata/families/predictions/prediction.h"

namespace strata {

[[nodiscard]] Prediction boundary_count();         // T1
[[nodiscard]] Prediction sink_independence();      // T2
[[nodiscard]] Prediction detector_independence();  // T3
[[nodiscard]] Prediction stable_family();          // T4
[[nodiscard]] Prediction variable_family();        // T5
[[nodiscard]] Prediction brittleness_gap();        // T6
[[nodiscard]] Prediction family_over_size();       // T7
[[nodiscard]] Prediction functional_boundaries();  // T8
[[nodiscard]] Prediction segment_compression();    // T9
[[nodiscard]] Prediction text_independence();      // T10

}  // namespace strata
