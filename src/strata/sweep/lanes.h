// Perturbed lanes: copies of the clean residual stream that leave it at their own place. A lane costs
// only the blocks after its place, and all lanes share each block's weights while they are loaded.
#pragma once

#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/interventions/intervention.h"
#include "strata/sweep/options.h"

namespace strata {

/// The part of the corpus that lanes run on: the beginning of one window of each document.
struct LaneWindow {
  std::size_t window = 0;   ///< index into Corpus::windows
  std::int64_t tokens = 0;  ///< first tokens of it
};

/// One window from each document, `lane_tokens` in all: an equal share for each, at least 64 tokens. With
/// too many documents for that, a seeded sample of them.
[[nodiscard]] std::vector<LaneWindow> lane_sample(const SweepContext& context, std::int64_t lane_tokens);

/// One experiment.
struct Lane {
  const Intervention* intervention = nullptr;
  int place = 0;
  std::size_t strength = 0;  ///< index into the curve's strengths
  double value = 0.0;        ///< the strength itself
  double sign = 1.0;
  std::uint32_t repeat = 0;
  std::size_t curve = 0;  ///< index into the curves
};

/// Lanes that the options ask for.
[[nodiscard]] std::int64_t lane_count(const SweepContext& context, const MeasureOptions& options);

/// Bytes that one lane holds.
[[nodiscard]] std::uint64_t lane_bytes(const SweepContext& context, const std::vector<LaneWindow>& sample);

/// Runs every lane of the wanted interventions at every wanted place and returns their dose curves.
/// A lane's numbers do not depend on which other lanes run.
[[nodiscard]] std::vector<DoseCurve> run_lanes(const Checkpoint& checkpoint, const SweepContext& context,
                                               std::span<const TokenClass> classes,
                                               const PackedMatrix& embedding, const HeadWeights& head,
                                               const std::vector<LaneWindow>& sample,
                                               const MeasureOptions& options, const Progress& progress);

}  // namespace strata
