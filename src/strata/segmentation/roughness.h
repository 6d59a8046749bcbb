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

/// Blocks at the start that count as start-up: no edge is looked for up to this one. A sixth of the depth, at
/// least 3 (4 from 20 blocks on).
[[nodiscard]] int startup_blocks(int n_layers);
/// Least distance between two boundaries, and of the last one from the end: 3 below 20 blocks, 4 below 40,
/// else 5.
[[nodiscard]] int min_distance(int n_layers);
/// Edges at which a boundary may be: startup_blocks + 1 to L - min_distance. Empty where there are too few
/// blocks.
[[nodiscard]] std::vector<int> candidate_edges(int n_layers);

/// Running median over 2 h + 1 rows of each column; narrower near the ends, always symmetric.
[[nodiscard]] Matrix running_median(const Matrix& x, int half_width);
/// y(t+lag) - y(t) of the inner blocks 1..L-2, less its running median over 7 edges: what a smooth change,
/// steady or slowly bending, leaves is 0.
[[nodiscard]] Matrix increments(const Matrix& y, int lag);

/// Share of `count` values below which three of them do not matter, between 50% and 92%: the quantile that
/// robust scales are taken from, so that three boundaries do not inflate
/// them (two where there are only six values).
[[nodiscard]] double robust_quantile(std::size_t count);

/// Robust scale of each column from the robust_quantile of its absolute values, edges of the start-up left
/// out: right for Gaussian values, and unmoved by three larger ones.
[[nodiscard]] std::vector<double> robust_scale(const Matrix& residual, int n_layers);

/// Range of each column over the inner blocks behind the start-up, 10% to 90% quantile.
[[nodiscard]] std::vector<double> inner_range(const Matrix& y);

/// Correlation of the columns of `residual`, values beyond 2.5 of their `scale` cut to that; the start-up and
/// the edges with the largest mean gain (an eighth of the blocks, at least 2) left out, so that steps in all
/// signals do not pass for common noise; that makes correlations too small
/// (StepStatistics::noise_correlation). `weight` of each column; they add up to 1.
[[nodiscard]] Matrix residual_correlation(const Matrix& residual, const std::vector<double>& scale,
                                          const std::vector<double>& weight, int n_layers);
/// R with R R' = correlation, eigenvalues below 0.001 raised to it.
[[nodiscard]] Matrix root_of(const Matrix& correlation);
/// Symmetric inverse square root of (1 - share) correlation + share identity.
[[nodiscard]] Matrix whitening_of(const Matrix& correlation, double share);

/// rows x root.rows draws: normal vectors with covariance root root', each row divided by a common
/// sqrt(chi-square/12) with 12 degrees of freedom, so Student's t, and multiplied by exp(uneven * standard
/// normal). Layers differ by more than a Gaussian would have it, and an odd one is odd in all its signals.
[[nodiscard]] Matrix heavy_tailed(std::size_t rows, const Matrix& root, Philox& rng, double uneven = 0.0);
/// Layer noise: the sums of heavy_tailed from the first row on, a random walk over depth. A block changes the
/// signals at random and what it changes stays. White noise about a curve cannot be told from it at the
/// depths of networks, and gives smaller statistics.
[[nodiscard]] Matrix layer_noise(std::size_t rows, const Matrix& root, Philox& rng, double uneven = 0.0);

/// (8/2) ln(1 + z^2/8), the log-likelihood ratio of a step under Student's t.
[[nodiscard]] double step_gain(double z);

/// Sums rows from the first on.
void accumulate_rows(Matrix& x);

}  // namespace strata
