// What a measurement will need, decided before anything is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/sweep/measure.h"

namespace strata {

struct MemoryItem {
  std::string what;
  std::uint64_t bytes = 0;
};

struct MeasurePlan {
  std::vector<MemoryItem> memory;  ///< what is held at the peak
  std::uint64_t peak_bytes = 0;
  std::uint64_t lane_bytes = 0;  ///< room given to lanes: MeasureOptions::lane_bytes
  std::int64_t lanes = 0;
  std::int64_t lane_passes = 0;         ///< passes over the weights that the lanes take
  std::int64_t segment_lanes = 0;       ///< further ones once the segments are known, if there are three
  std::int64_t segment_passes = 0;      ///< passes over the weights that those take
  std::uint64_t backward_bytes = 0;     ///< MeasureOptions::backward_bytes
  std::int64_t backward_waves = 0;      ///< groups of windows in the backward sweep, two passes each
  std::uint64_t weight_bytes_read = 0;  ///< from the checkpoint, over all passes
  double flops = 0.0;                   ///< of the matrix products
  double flops_per_second = 0.0;        ///< measured now, on this machine, on a product of the model's shape
};

/// Predicts memory, bytes and time. Lanes get what `mem_limit_bytes` leaves. Throws Error(out_of_memory)
/// saying what would fit when the clean sweep and a single lane do not.
[[nodiscard]] MeasurePlan plan_measure(const MeasureInput& input, const MeasureOptions& options,
                                       std::uint64_t mem_limit_bytes);

}  // namespace strata
