// Leading principal axes of a set of rows: what adjacent_mi sees of a state.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// Problems whose smaller side is at most this are solved whole; wider ones are searched.
inline constexpr std::int64_t kWholeSide = 256;
/// What the search asks of each axis v of variance t: |S v - t v| <= kAxisResidual * t, S the covariance. An
/// eigenvalue of S then lies within 0.1% of t.
inline constexpr double kAxisResidual = 1e-3;

/// Eigenvectors of the `most` largest eigenvalues of a symmetric matrix, as columns, and those eigenvalues,
/// ascending; only eigenvalues above `relative` times the largest.
struct LeadingEigenvectors {
  Matrix vectors;
  std::vector<double> values;
};
[[nodiscard]] LeadingEigenvectors leading_eigenvectors(const Matrix& matrix, std::size_t most,
                                                       double relative);

struct PrincipalAxes {
  Matrix axes;    ///< (d, k): orthonormal, by ascending variance
  Matrix scores;  ///< (n, k): the rows along them
};

/// Axes of the largest variance of `rows`, (n, d), centred; k <= `components` <= 32,
/// fewer where the rows have fewer directions. Up to kWholeSide by the eigenvectors of the smaller of d x d
/// and n x n; else by Chebyshev-filtered subspace iteration (Zhou, Saad, Tiago & Chelikowsky, J. Comput.
/// Phys. 219:172, 2006) from random signs that no seed changes, with float32 products against the rows and
/// all else in float64. A search that does not get there (fewer than 48 directions) is given up for the
/// eigenvectors. Where `start` is given and holds what a search of similar rows left in it, (48, d), the
/// search begins there, and with some random signs for what those rows did not have; it is left where this
/// one ends.
[[nodiscard]] PrincipalAxes principal_axes(const FloatMatrix& rows, std::size_t components,
                                           Matrix* start = nullptr);
/// The search alone; none where it is given up. For tests.
[[nodiscard]] std::optional<PrincipalAxes> search_axes(const FloatMatrix& rows, std::size_t components,
                                                       Matrix* start = nullptr);

/// Bytes that principal_axes takes beside the rows, on each thread; and what a search that is given up takes
/// beyond that, on one thread at a time.
[[nodiscard]] std::uint64_t principal_axes_bytes(std::int64_t n, std::int64_t d);
[[nodiscard]] std::uint64_t principal_axes_once_bytes(std::int64_t n, std::int64_t d);

}  // namespace strata
