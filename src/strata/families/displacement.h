// How far apart two locations of the same boundaries are, beyond their errors.
#pragma once

#include <vector>

#include "strata/base/philox.h"
#include "strata/families/evidence.h"

namespace strata {

/// Two splits of one model.
struct SplitPair {
  const Split* first = nullptr;
  const Split* second = nullptr;
  int n_layers = 0;
  double weight = 1.0;  ///< of this pair in the mean over pairs
};

struct Displacement {
  double mean = kUndefined;            ///< mean |db| over matched edges, in relative depth, as observed
  Interval interval_90 = kNoInterval;  ///< of the true distance; holds `mean`
  double p_below_margin = kUndefined;  ///< of a mean this small if the true distance were the margin
};

/// Mean |db| in relative depth, first edges with first, second with second, over all pairs.
///
/// Interval and p by inversion: for a true distance r (of random sign at each boundary) the distribution of
/// the mean is simulated with `draws` draws of both locations from their resamples (about their estimates),
/// the distance rounded to whole blocks one way or the other as its place on the grid of edges has it. The
/// interval holds the r for which the observed mean is not in either 5% tail, and the observed mean itself.
/// Errors of the two locations count as independent. NaN without pairs.
[[nodiscard]] Displacement estimate_displacement(const std::vector<SplitPair>& pairs, double margin,
                                                 int draws, const StreamKey& key);

/// Distances below this count as the same place: 0.05 of the depth, or one block where that is more.
[[nodiscard]] double same_place_margin(const std::vector<SplitPair>& pairs);

}  // namespace strata
