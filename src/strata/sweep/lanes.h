// Dose curves of the interventions: which lanes the options ask for, and what they did as curves of the
// record.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
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

/// The documents of a lane sample in a seeded order, each as its windows' places in the sample: the first n
/// are a random sample of them.
[[nodiscard]] std::vector<std::vector<std::size_t>> document_order(const SweepContext& context,
                                                                   const std::vector<LaneWindow>& sample);
/// The windows of the documents [first, end) of that order, in the order of the sample; `end` 0 = all.
[[nodiscard]] std::vector<LaneWindow> documents_of(const SweepContext& context,
                                                   const std::vector<LaneWindow>& sample, int first, int end);

/// What the lanes of a measurement cost.
struct LaneCost {
  std::int64_t lanes = 0;
  int extra_blocks = 0;                            ///< lane_extra_blocks
  double flops = 0.0;                              ///< of the matrix products, LaneShare::more included
  std::map<int, std::int64_t> lanes_by_documents;  ///< of the sample (0 = all): each group runs by itself
  int further_runs = 0;                            ///< for LaneShare::more, at most

  /// Passes over the weights, at most, with this memory for lanes.
  [[nodiscard]] std::int64_t passes(const SweepContext& context, const std::vector<LaneWindow>& sample,
                                    std::uint64_t lane_memory) const;
};
/// Of the wanted interventions, those over segments left out.
[[nodiscard]] LaneCost lane_cost(const SweepContext& context, const std::vector<LaneWindow>& sample,
                                 const MeasureOptions& options);
/// Of the wanted interventions over segments, if `segments` segments cover the network.
[[nodiscard]] LaneCost segment_lane_cost(const SweepContext& context, const std::vector<LaneWindow>& sample,
                                         const MeasureOptions& options, int segments);

/// The names of snapshots that measure_curves may leave, for lanes of this phase.
[[nodiscard]] std::vector<std::string> lane_snapshots(std::string_view phase);

/// Runs the lanes of the wanted interventions at every wanted place and returns their dose curves.
/// With `segments` it runs those that act on a whole segment, else all the others. An intervention with a
/// LaneShare runs on the first documents of document_order, and then, as far as LaneShare::more goes, on as
/// many again for those places whose damage is within two standard errors of the next larger or smaller one's
/// (paired differences over their documents, as estimates of the whole sample's), the closest first, until
/// the order is settled. What is measured decides it, never the clock.
[[nodiscard]] std::vector<DoseCurve> measure_curves(const LaneEngineInput& input,
                                                    const std::vector<Segment>& segments,
                                                    const Progress& progress);

}  // namespace strata
