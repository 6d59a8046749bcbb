// The signals as the step detector sees them: one row for each block, one column for each signal, each signal
// on the scale on which it is smooth over depth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

struct LayerSeries {
  Matrix y;                  ///< blocks x signals; row l is block l, represented by its output
  std::vector<Group> group;  ///< of each column
  std::vector<double>
      weight;  ///< of each column: groups weigh equally, the signals of a group likewise; sum 1
  /// Half-samples of the documents: half-sample minus whole, same shape as y. Empty = not known.
  std::vector<Matrix> deviations;
  std::vector<std::string> used, left_out;
  std::string note;       ///< limits, in words
  std::string undefined;  ///< why there is nothing; empty = there is
};

/// True where the signal enters as its logarithm: positive quantities whose changes are ratios.
[[nodiscard]] bool is_log_scale(const std::string& id);

/// Every block and state series of the token set that is no control. A logarithm takes values below a
/// thousandth of the median as that; a signal with values clearly below 0 enters as it is. Blocks 0 and L-1
/// may be undefined. `resamples` half-samples of the documents give the deviations. `without` names a group
/// to leave out.
[[nodiscard]] LayerSeries layer_series(const Trace& trace, TokenSet tokens, std::uint64_t seed, int resamples,
                                       const Group* without = nullptr);

}  // namespace strata
