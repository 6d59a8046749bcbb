// Two twins on one text, layer by layer: how far their states are apart, how much each block adds, what each
// part does alone. Definitions: docs/compare.md.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/corpus/corpus.h"
#include "strata/record/divergence.h"
#include "strata/sweep/options.h"
#include "strata/sweep/plan.h"

namespace strata {

struct DivergenceInput {
  const Checkpoint& original;
  const Checkpoint& other;
  const Corpus& corpus;                  ///< of the original's tokenizer
  const Tokenizer* tokenizer = nullptr;  ///< null when ids were given
};

/// Throws Error(usage) naming what differs when the models have another depth, width or vocabulary.
void require_same_shape(const Checkpoint& original, const Checkpoint& other);

struct DivergencePlan {
  std::vector<MemoryItem> memory;  ///< what is held at the peak
  std::uint64_t peak_bytes = 0;
  std::uint64_t lane_bytes = 0;  ///< room given to lanes: MeasureOptions::lane_bytes
};

/// Predicts memory; lanes get what `mem_limit_bytes` leaves. Throws what require_same_shape throws, and
/// Error(out_of_memory) when the sweep and a single lane do not fit.
[[nodiscard]] DivergencePlan plan_divergence(const DivergenceInput& input, const MeasureOptions& options,
                                             std::uint64_t mem_limit_bytes);

/// Measures everything of the record but the findings. Of the options it uses seed, threads, batch,
/// lane_tokens and lane_bytes; threads, batch and lane_bytes never change a number. Throws Error(usage) like
/// plan_divergence and where the weights are of two models (sweep/likeness), Error(run_failed) naming the
/// model and block whose state is not finite.
[[nodiscard]] DivergenceRecord measure_divergence(const DivergenceInput& input, const MeasureOptions& options,
                                                  const Progress& progress);

}  // namespace strata
