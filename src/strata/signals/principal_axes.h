// Leading principal axes of a set of rows: what adjacent_mi sees of a state.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace strata {

/// Problems whose smaller side is at most this are solved whole; of wider ones a Krylov space is searched.
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

/// (d, k), float64: orthogonal axes of the largest variance of `rows`, (n, d) float64, centred, contiguous;
/// k <= `components` <= 32, fewer where the rows have fewer directions. Up to kWholeSide by the eigenvectors
/// of the smaller of d x d and n x n; else by a block Krylov space (Musco & Musco, NeurIPS 2015) from random
/// signs that no seed changes, with float32 products against the rows and all else in float64. A search that
/// does not get there (spectra without any decay, fewer than 48 directions) is given up for the eigenvectors.
[[nodiscard]] at::Tensor principal_axes(const at::Tensor& rows, std::int64_t components);
/// The search alone; undefined where it is given up. For tests.
[[nodiscard]] at::Tensor search_axes(const at::Tensor& rows, std::int64_t components);

/// Bytes that principal_axes takes beside the rows.
[[nodiscard]] std::uint64_t principal_axes_bytes(std::int64_t n, std::int64_t d);

}  // namespace strata
