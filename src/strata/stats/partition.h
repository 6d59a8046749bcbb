// Exact optimal partition of a sequence into segments, by dynamic programming, for every number of
// jumps at once (Bellman 1961; Jackson et al. 2005, IEEE SPL 12:105; kernel form: Harchaoui and
// Cappe 2007, IEEE SSP). Least squares of a multivariate profile is the kernel cost of its Gram matrix,
// so both share one table of segment costs.
#pragma once

#include <vector>

#include "strata/base/matrix.h"

namespace strata::stats {

/// Cost of every segment [begin, end) in O(1), from prefix sums of a Gram matrix: within-segment sum of
/// squared distances to the segment's mean in feature space, sum_i G_ii - (1/m) sum_ij G_ij.
class SegmentCosts {
 public:
  /// `gram` is n x n and symmetric.
  explicit SegmentCosts(const Matrix& gram);
  [[nodiscard]] std::size_t size() const { return n_; }
  [[nodiscard]] double operator()(std::size_t begin, std::size_t end) const;

 private:
  std::size_t n_;
  std::vector<double> diagonal_;  // prefix sums, n + 1
  Matrix block_;                  // two-dimensional prefix sums, (n + 1) x (n + 1)
};

/// Y Y' of an n x D profile.
[[nodiscard]] Matrix gram_matrix(const Matrix& profile);

struct Partition {
  std::vector<int> edges;  ///< ascending; edge e opens a segment at item e
  double cost = 0.0;
};

/// The cheapest partition with exactly k jumps for k = 0..max_jumps; every segment has at least
/// `min_size` items. Shorter when n allows fewer jumps. Ties go to the smallest last edge.
[[nodiscard]] std::vector<Partition> optimal_partitions(const SegmentCosts& costs, int max_jumps,
                                                        std::size_t min_size);

/// The piecewise-constant fit: each row becomes its segment's mean.
[[nodiscard]] Matrix segment_means(const Matrix& profile, const std::vector<int>& edges);

}  // namespace strata::stats
