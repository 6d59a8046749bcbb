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
};

struct Displacement {
  double mean = kUndefined;            ///< mean |db| as observed
  double rms = kUndefined;             ///< sqrt(max(0, mean db^2 - what location errors alone would give))
  Interval interval_90 = kNoInterval;  ///< of the root mean square true distance
  double p_below_margin = kUndefined;  ///< of this little distance if the true one were the margin
};

/// Distances in relative depth, first edges with first, second with second, over all pairs.
///
/// Interval and p by inversion: for a true distance r (of random sign at each boundary) the distribution of
/// the mean square is simulated with `draws` draws of both locations from their resamples (about their
/// estimates) and uniform +- half an edge for the grid; the interval holds the r for which the observed value
/// is not in either 5% tail. Errors of the two locations count as independent. NaN without pairs.
[[nodiscard]] Displacement estimate_displacement(const std::vector<SplitPair>& pairs, double margin,
                                                 int draws, const StreamKey& key);

/// Distances below this count as the same place: 0.05 of the depth, or one block where that is more.
[[nodiscard]] double same_place_margin(const std::vector<SplitPair>& pairs);

}  // namespace strata
