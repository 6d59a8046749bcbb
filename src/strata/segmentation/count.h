// How many boundaries: sequential tests with surrogates of the smaller model.
#pragma once

#include <cstdint>

#include "strata/record/findings.h"
#include "strata/segmentation/models.h"
#include "strata/segmentation/noise.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

struct CountResult {
  std::vector<CountTest> tests;
  int selected_k = 0;
  bool exhausted = false;  ///< every number of jumps that fits was rejected in favour of one more
};

/// `detector` keeps the random streams of the detections apart.
[[nodiscard]] CountResult count_boundaries(const Models& models, const Matrix& y, std::uint32_t detector,
                                           const SegmentationOptions& options);

}  // namespace strata
