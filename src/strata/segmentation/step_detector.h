// Boundaries from evidence for steps: where it exceeds what layer noise gives anywhere in the depth.
//
// Each statistic is divided by the 95% quantile of its maximum over edges in surrogates (noise with the
// roughness, correlation and kind of the record's, heavy-tailed; no step). The evidence of an edge is the
// largest of them, and its p-value the share of surrogates in which the evidence of any edge is as large: the
// search over edges and statistics is paid for. The strongest edge is taken when p <= alpha, its step is
// taken out, and the search goes on at a distance of min_distance.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

/// What one detector found in one profile.
struct StepSearch {
  std::string undefined;  ///< why there is nothing; empty = there is
  std::string note;
  std::vector<std::string> used, left_out;
  std::vector<double>
      evidence;  ///< per edge 1..L-1, in units of its 5% threshold; before any step is taken out
  std::vector<double> null_sample;  ///< largest evidence of each surrogate, sorted
  struct Step {
    int edge = 0;
    double evidence = 0.0, p_value = 1.0;
    EdgeEstimate place;  ///< filled by locate
  };
  std::vector<Step> steps;        ///< in the order found; those with p <= alpha come first
  std::vector<PowerPoint> power;  ///< of the detector on signals, where intervals are asked for
  std::size_t accepted = 0;       ///< how many of them are boundaries
};

struct SearchOptions {
  SegmentationOptions common;
  std::uint32_t stream = 0;  ///< keeps the random numbers of searches apart
  bool intervals = true;
  const Group* without = nullptr;  ///< signals: a group to leave out
};

/// Steps of the signals (layer_series).
[[nodiscard]] StepSearch search_signals(const Trace& trace, TokenSet tokens, const SearchOptions& options);
/// Jumps of the states, and lasting changes of their speed (the logarithm of 1 - CKA of successive outputs).
[[nodiscard]] StepSearch search_states(const Trace& trace, TokenSet tokens, const SearchOptions& options);

}  // namespace strata
