// How much a profile changes from block to block where nothing happens, estimated so that a few jumps do not
// inflate it; and the noise that surrogates are made of.
//
// Blocks 0 and L-1 take part in nothing here: the first and the last block of a network are unlike the
// others. Row t of `residual` belongs to edge t + 2.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/base/philox.h"

namespace strata {

/// Blocks at the start that count as start-up: no edge is looked for up to this one. 3 below 20 blocks, 4
/// below 40, else 5.
[[nodiscard]] int startup_blocks(int n_layers);
/// Edges at which a boundary may be: startup_blocks + 1 to L - 3. Empty where there are too few blocks.
[[nodiscard]] std::vector<int> candidate_edges(int n_layers);
/// Least distance between two boundaries: 3 below 20 blocks, 4 below 40, else 5.
[[nodiscard]] int min_distance(int n_layers);

/// Running median over 2 h + 1 rows of each column; narrower near the ends, always symmetric.
[[nodiscard]] Matrix running_median(const Matrix& x, int half_width);
/// y(t+lag) - y(t) of the inner blocks 1..L-2, less its running median over 7 edges: what a smooth change,
/// steady or slowly bending, leaves is 0.
[[nodiscard]] Matrix increments(const Matrix& y, int lag);

/// Robust scale of each column from the 80% quantile of its absolute values, edges of the start-up left out:
/// right for Gaussian values, and unmoved by up to a fifth of larger ones.
[[nodiscard]] std::vector<double> robust_scale(const Matrix& residual, int n_layers);

/// Range of each column over the inner blocks behind the start-up, 10% to 90% quantile.
[[nodiscard]] std::vector<double> inner_range(const Matrix& y);

/// What kind of noise a column has: walk variance per block over the variance of a block's own noise, from
/// the robust scales of differences at lags 1 and 2; half its own estimate, half that of all columns (in
/// logarithms).
[[nodiscard]] std::vector<double> walk_share(const std::vector<double>& lag1, const std::vector<double>& lag2,
                                             const std::vector<double>& floor,
                                             const std::vector<double>& weight);
/// The values that walk_share rounds to.
[[nodiscard]] const std::vector<double>& walk_shares();

/// Noise that the columns of surrogates share: rows of `root` times standard normals have the correlation of
/// the columns of `residual` (from Spearman's rank correlation, eigenvalues below 0.001 raised to it).
[[nodiscard]] Matrix correlation_root(const Matrix& residual);

/// rows x root.rows draws: normal vectors with covariance root root', each row divided by a common
/// sqrt(chi-square/degrees), so Student's t. Layers differ by more than a Gaussian would have it, and an odd
/// one is odd in all its signals.
[[nodiscard]] Matrix heavy_tailed(std::size_t rows, const Matrix& root, Philox& rng, int degrees = 6);

/// Sums rows from the first on.
void accumulate_rows(Matrix& x);

}  // namespace strata
