// What a detector says of a record, in the form in which calibration counts it.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

struct Found {
  int selected_k = 0;
  bool uncertain = false;              ///< a reproduction that sees boundaries and cannot count them
  std::vector<EdgeEstimate> selected;  ///< boundaries; a reproduction places them where K is given
  std::vector<EdgeEstimate> ranked;    ///< selected ones, then other places by falling evidence
};

/// What each of `detectors` says of the ordinary tokens. `k` is the planted number, which reproductions are
/// given to place boundaries.
[[nodiscard]] std::vector<Found> look_at(const Trace& trace, const std::vector<std::string>& detectors, int k,
                                         const SegmentationOptions& options, bool intervals);

}  // namespace strata
