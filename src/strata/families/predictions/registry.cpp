#include "strata/families/predictions/registry.h"

#include <array>

namespace strata {

std::span<const Prediction> predictions() {
  static const std::array kPredictions = {
      boundary_count(),      sink_independence(), detector_independence(), stable_family(),
      variable_family(),     brittleness_gap(),   family_over_size(),      functional_boundaries(),
      segment_compression(), text_independence()};
  return kPredictions;
}

}  // namespace strata
