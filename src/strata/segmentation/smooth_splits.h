// The two strongest edges of profiles that have no boundary: what the detectors return on layer noise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

struct SmoothSplitOptions {
  std::uint64_t seed = 0;
  int surrogates = 999;
  int threads = 1;  ///< never changes a number
};

struct SmoothSplits {
  std::vector<std::string> detectors;  ///< "either", "signals", "states", as far as defined on this record
  /// For each detector surrogates x 2: the two edges with the strongest evidence, at least min_distance
  /// apart, in order. Row i of all detectors comes from the same noise.
  std::vector<Matrix> edges;
};

/// Both detectors on random walks in which layer noise is shared: with R the residual increments of a profile
/// (edges x coordinates), the increments of a surrogate are G R / sqrt(edges), where the standard normals G
/// (L x edges) and the heavy tail of each layer are the same for both. Their covariance over coordinates is
/// that of R, and what one layer does to one profile goes together with what it does to the other, as in the
/// record. Smooth trends change none of the statistics. Empty where the record has too few layers for two
/// boundaries.
[[nodiscard]] SmoothSplits smooth_splits(const Trace& trace, TokenSet tokens,
                                         const SmoothSplitOptions& options);

}  // namespace strata
