// Leading principal axes of a set of rows: what adjacent_mi sees of a state.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace strata {

/// Problems whose smaller side is at most this are solved whole; wider ones are searched.
inline constexpr std::int64_t kWholeSide = 768;
/// What the search asks of each axis v of variance t: |S v - t v| <= kAxisResidual * t, S the covariance. An
/// eigenvalue of S then lies within 0.1% of t.
inline constexpr double kAxisResidual = 1e-3;

/// Eigenvectors of the `most` largest eigenvalues of a symmetric matrix, as columns, and those eigenvalues,
/// ascending; only eigenvalues above `relative` times the largest.
struct LeadingEigenvectors {
  at::Tensor vectors;
  std::vector<double> values;
};
[[nodiscard]] LeadingEigenvectors leading_eigenvectors(const at::Tensor& matrix, std::int64_t most,
                                                       double relative);

struct PrincipalAxes {
  at::Tensor axes;    ///< (d, k) float64: orthonormal, by ascending variance
  at::Tensor scores;  ///< (n, k) float64: the rows along them
};

/// Axes of the largest variance of `rows`, (n, d) float32, centred, contiguous; k <= `components` <= 32,
/// fewer where the rows have fewer directions. Up to kWholeSide by the eigenvectors of the smaller of d x d
/// and n x n; else by Chebyshev-filtered subspace iteration (Zhou, Saad, Tiago & Chelikowsky, J. Comput.
/// Phys. 219:172, 2006) from random signs that no seed changes, with float32 products against the rows and
/// all else in float64. A search that does not get there (fewer than 48 directions) is given up for the
/// eigenvectors. Where `start` is given and holds what a search of similar rows left in it, (48, d), the
/// search begins there, and with some random signs for what those rows did not have; it is left where this
/// one ends.
[[nodiscard]] PrincipalAxes principal_axes(const at::Tensor& rows, std::int64_t components,
                                           at::Tensor* start = nullptr);
/// The search alone; undefined where it is given up. For tests.
[[nodiscard]] PrincipalAxes search_axes(const at::Tensor& rows, std::int64_t components,
                                        at::Tensor* start = nullptr);

/// Bytes that principal_axes takes beside the rows, on each thread; and what a search that is given up takes
/// beyond that, on one thread at a time.
[[nodiscard]] std::uint64_t principal_axes_bytes(std::int64_t n, std::int64_t d);
[[nodiscard]] std::uint64_t principal_axes_once_bytes(std::int64_t n, std::int64_t d);

}  // namespace strata
