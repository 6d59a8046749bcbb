// Brittleness of segments: their states' kappa together, and the damage of skipping their blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// Fewer documents than this: percentile intervals over documents are said to be unreliable.
inline constexpr int kFewDocuments = 8;

struct BrittlenessOptions {
  std::uint64_t seed = 0;
  int bootstraps = 1000;
  bool forced_segments = false;      ///< copied to SegmentBrittleness::forced
  std::vector<StateSplit> splits{};  ///< for the segments' RMS
};

/// For each segment: geometric and arithmetic mean of kappa over the input states of its blocks (states
/// begin..end-1); states whose kappa is NaN are left out and counted in `note`, NaN when none is left.
/// A state's kappa is its lanes', or the backward sweep's where it has none (KappaEstimate::estimator).
///
/// The 90% interval is the 5th to 95th percentile of the geometric mean over resamples of documents with
/// replacement, the same resamples for every state and segment; each resample takes kappa again from
/// the same strengths. NaN with fewer than two documents.
///
/// skip_kl_nats is the mean over the segment's blocks of the KL of "block_skip" at full strength, pooled
/// over documents by lane tokens; NaN with a note unless every block of the segment has a curve.
///
/// kappa_joint is the curvature of "joint_noise" over exactly these blocks. With independent noise at n
/// states, each of power eps^2 / n, it equals the arithmetic mean of their kappa in the limit of small noise;
/// NaN with a note when no such lane was run. `means` has the four variants; a mean needs every state of the
/// segment.
[[nodiscard]] std::vector<SegmentBrittleness> segment_brittleness(const Trace& trace,
                                                                  const std::vector<Segment>& segments,
                                                                  const std::vector<KappaEstimate>& kappa,
                                                                  const BrittlenessOptions& options);

}  // namespace strata
