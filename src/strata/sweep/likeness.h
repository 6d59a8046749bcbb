// Are two checkpoints versions of one model? By their weights: a quantized, rounded, pruned or tuned matrix
// points where the original's does, that of another model of the same shape does not.
#pragma once

#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"

namespace strata {

/// Least median correlation of versions of one model; docs/compare.md has the figures it lies between.
inline constexpr double kLeastLikeness = 0.5;

struct MatrixLikeness {
  std::string name;          ///< of the original's tensor role and block: "query of block 3"
  double correlation = 0.0;  ///< of all values after each row's mean is taken off; NaN where one is constant
};

struct Likeness {
  std::vector<MatrixLikeness> matrices;
  double median = 0.0;  ///< of the defined ones; NaN without any
};

/// Compares the matrices of the first, the middle and the last block, as far as both have them in one shape;
/// the embeddings where no matrix is. Rows have their mean taken off, because unrelated models may share an
/// offset. Reads those tensors once more.
[[nodiscard]] Likeness weight_likeness(const Checkpoint& original, const Checkpoint& other);

/// Throws Error(usage) with the figures when the median is below kLeastLikeness.
void require_likeness(const Checkpoint& original, const Checkpoint& other, const Likeness& likeness);

}  // namespace strata
