// What a measurement will need, decided before anything is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/sweep/measure.h"
#include "strata/sweep/memory_plan.h"

namespace strata {

/// Matrix products of one phase: multiply-adds times two.
struct PhaseCost {
  std::string name;
  double flops = 0.0;
};

struct MeasurePlan {
  MemoryPlan memory;
  std::uint64_t peak_bytes = 0;  ///< of the largest phase
  std::int64_t lanes = 0;
  std::int64_t lane_passes = 0;         ///< passes over the weights that the lanes take
  std::int64_t backward_sweeps = 0;     ///< two passes over the weights each
  std::int64_t segment_lanes = 0;       ///< further ones once the segments are known, if there are three
  std::int64_t segment_passes = 0;      ///< passes over the weights that those take
  std::uint64_t weight_bytes_read = 0;  ///< from the checkpoint, over all passes
  double flops = 0.0;                   ///< of the matrix products
  double forward_flops = 0.0;           ///< of one forward pass over the text, with logits
  std::vector<PhaseCost> phases;        ///< what flops is made of, in the order they run
  double flops_per_second = 0.0;        ///< measured now, on this machine, on a product of the model's shape
};

/// Predicts memory, bytes and time; decides what of the run is in memory (plan_memory). Throws
/// Error(out_of_memory) saying what would fit when nothing that can be given up is enough.
[[nodiscard]] MeasurePlan plan_measure(const MeasureInput& input, const MeasureOptions& options,
                                       std::uint64_t mem_limit_bytes);

/// The options with what the plan decided.
[[nodiscard]] inline MeasureOptions planned(MeasureOptions options, const MeasurePlan& plan) {
  options.memory = plan.memory.choice;
  options.threads = plan.memory.threads;
  options.lane_bytes = plan.memory.lane_bytes;
  options.backward_bytes = plan.memory.backward_bytes;
  return options;
}

}  // namespace strata
