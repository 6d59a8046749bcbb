// Dose curves of the interventions: which lanes the options ask for, and what they did as curves of the
// record.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/sweep/lane_engine.h"

namespace strata {

/// One window from each document, `lane_tokens` in all: an equal share for each, at least 64 tokens. With
/// too many documents for that, a seeded sample of them. Of a group (CorpusDocument::is_group) several
/// windows, up to its share.
[[nodiscard]] std::vector<LaneWindow> lane_sample(const SweepContext& context, std::int64_t lane_tokens);

/// Scored positions of the sample in each document; 0 where it has no window there.
[[nodiscard]] std::vector<std::int64_t> lane_scored(const SweepContext& context,
                                                    const std::vector<LaneWindow>& sample);

/// What the lanes of a measurement cost.
struct LaneCost {
  std::int64_t lanes = 0;
  double blocks = 0.0;   ///< blocks that a lane goes through, summed over the lanes
  int extra_blocks = 0;  ///< lane_extra_blocks
};
/// Of the wanted interventions, those over segments left out.
[[nodiscard]] LaneCost lane_cost(const SweepContext& context, const MeasureOptions& options);
/// Of the wanted interventions over segments, if `segments` segments cover the network.
[[nodiscard]] LaneCost segment_lane_cost(const SweepContext& context, const MeasureOptions& options,
                                         int segments);

/// Runs every lane of the wanted interventions at every wanted place and returns their dose curves.
/// With `segments` it runs those that act on a whole segment, else all the others.
[[nodiscard]] std::vector<DoseCurve> measure_curves(const LaneEngineInput& input,
                                                    const std::vector<Segment>& segments,
                                                    const Progress& progress);

}  // namespace strata
