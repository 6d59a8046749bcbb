// Boundaries between segments of layers: where they are, how many there really are, how sure.
// Works on the record alone (no LibTorch).
#pragma once

#include <cstdint>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

struct SegmentationOptions {
  std::uint64_t seed = 0;
  int surrogates = 999;  ///< per sequential test
  int bootstraps = 200;  ///< residual bootstraps over layers, combined with the record's half-samples
  double alpha = 0.05;
  int threads = 1;
};

/// Verdicts: "K boundaries" when the tests select K; "smooth" when no number of jumps beats the best smooth
/// model; "not identified" when there is nothing to test, when jumps beat the smooth models but no more than
/// on a random walk, or when every K up to the largest is rejected (docs/boundaries.md). "smooth" and
/// "not identified" have selected_k 0 and no boundaries; the forced split is there all the same.
///
/// Runs every detector on every token set of the record. Each result is defined, or says why not.
/// Same record and options give the same result, whatever the number of threads.
[[nodiscard]] std::vector<Detection> find_boundaries(const Trace& trace, const SegmentationOptions& options);

/// Index of the detection that carries the headline (primary detector, ordinary tokens, if defined),
/// or -1.
[[nodiscard]] int headline_detection(const std::vector<Detection>& detections);

/// Segments cut by `edges` in a model of `n_layers` blocks; two edges give Local, Intermediate, Global.
[[nodiscard]] std::vector<Segment> segments_from_edges(const std::vector<int>& edges, int n_layers);

}  // namespace strata
