// A constant that one word carries in one dimension through a part of a network: one neuron writes it, one
// takes it away, nothing else reads or writes the dimension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "strata/checkpoint/family.h"
#include "strata/corpus/corpus.h"
#include "strata/record/trace.h"

namespace strata {

struct PlantedConstant {
  std::int32_t token = 0;
  int written_by = 0, removed_by = 0;  ///< blocks
  double marker = 0.0;                 ///< of the token's embedding in a dimension of its own
  double size = 0.0;                   ///< of the constant, residual units
  double marker_seen = 0.0;            ///< marker over the RMS of the states that `written_by` reads
  double size_seen = 0.0;              ///< constant over the RMS of the states that `removed_by` reads
};

/// The token whose share of the corpus is nearest to 2%, `factor` times the RMS of the states before block
/// `written_by`. `clean` has the series residual_rms of the network without it; `width` is that of the
/// states.
[[nodiscard]] PlantedConstant constant_for(const Corpus& corpus, const Trace& clean, double factor,
                                           int written_by, int removed_by, std::size_t width);

/// Changes one tensor of the network: row-major `values` of `role` in `block`, states of `width` dimensions.
/// The last two dimensions are taken away from everything else, and the first neuron of two blocks.
void plant(const PlantedConstant& constant, Role role, int block, std::size_t width,
           std::vector<float>& values);

}  // namespace strata
