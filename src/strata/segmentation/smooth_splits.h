// The best two-boundary split of profiles that have no boundary: what detectors return on smooth curves.
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
  std::vector<std::string> detectors;  ///< those defined on this record
  /// For each detector surrogates x 2: the edges of its best two-boundary split. Row i of all detectors comes
  /// from the same noise.
  std::vector<Matrix> edges;
};

/// For each detector the best smooth model of its profile plus AR(1) noise along depth, cut in two places.
///
/// Noise is shared: with R the residuals of a profile (L blocks x its coordinates), a surrogate's noise is A
/// R / sqrt(L), where each column of A (L x L) is an AR(1) path of unit variance and all detectors use the
/// same innovations. Its covariance over coordinates is that of R, and what one layer's noise does to one
/// profile goes together with what it does to the other, as in the record. rho and the size of the noise are
/// estimated as in count.h. Empty where the record has too few layers for two boundaries.
[[nodiscard]] SmoothSplits smooth_splits(const Trace& trace, TokenSet tokens,
                                         const SmoothSplitOptions& options);

}  // namespace strata
