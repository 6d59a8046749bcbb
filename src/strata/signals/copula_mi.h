// Mutual information of two sets of rows under a Gaussian copula of their leading principal components: the
// estimator of adjacent_mi. Ince et al. 2017, Human Brain Mapping 38:1541, doi:10.1002/hbm.23471.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// One state's rows as the copula sees them.
struct CopulaScores {
  Matrix white;                  ///< (rows, components): normal scores, zero mean, covariance 1
  std::vector<double> variance;  ///< per row: squared distance from the mean row
  std::vector<double> captured;  ///< per row: the part of it within the principal components
};

/// Scores of `rows`, (N, d), N >= 2, which is overwritten. The leading `components` principal
/// components (fewer where the rows have fewer directions) are replaced, one by one, by the normal quantiles
/// of their ranks, r / (N + 1), equal values sharing their mean rank; so no row counts for more than its
/// rank. The components are those of rows pulled in to three times the median distance from the mean, so that
/// outliers do not choose the directions; `variance` and `captured` are of the rows themselves. `start`: see
/// principal_axes.
[[nodiscard]] CopulaScores copula_scores(FloatMatrix rows, std::size_t components, Matrix* start = nullptr);

/// ln p(x,y) / (p(x) p(y)) of every row under the Gaussian fitted to all rows of x and y, `white` of two
/// states, (N, p) and (N, q), in nats. The mean over the rows is exactly the plug-in mutual information
/// -1/2 sum ln(1 - rho^2) over the canonical correlations rho, so means over groups of rows tell how much
/// each group adds, and their spread is that of the estimate. Biased upwards by about p q / 2N. Empty where a
/// correlation is 1: the information is then infinite.
[[nodiscard]] std::vector<double> pointwise_information(const Matrix& x, const Matrix& y);

}  // namespace strata
