// Substitution lanes: the original network with one part taken from its twin. A lane forks from the clean
// stream at its part and costs only the blocks after it; all lanes share each block while it is loaded.
#pragma once

#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/head.h"
#include "strata/record/divergence.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/options.h"

namespace strata {

/// One of the two models with what is held of it throughout.
struct Twin {
  const Checkpoint& checkpoint;
  const PackedMatrix& embedding;
  const HeadWeights& head;
};

/// Everything, embedding, blocks 0..L-1, head, in this order. A lane's numbers do not depend on which others
/// run with it; lanes beyond options.lane_bytes take another pass over the weights.
[[nodiscard]] std::vector<Substitution> run_substitutions(const Twin& original, const Twin& other,
                                                          const SweepContext& context,
                                                          const std::vector<LaneWindow>& sample,
                                                          const MeasureOptions& options,
                                                          const Progress& progress);

/// Lanes with a stream of their own: all but the head's, which leaves the clean stream only at its end.
[[nodiscard]] inline std::int64_t substitution_streams(const ModelConfig& config) {
  return config.n_layers + 2;
}

}  // namespace strata
