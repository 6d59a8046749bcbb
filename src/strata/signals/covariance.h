// Spectrum of the shrunk covariance of a set of rows: what the Gaussian rate of a state is computed from.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// Exact spectra: of problems whose smaller side is at most this wide ...
inline constexpr std::int64_t kExactSide = 1024;
/// ... and up to this width with at least kRowsPerDimension rows for each dimension. Elsewhere the rows say
/// little about single eigenvalues, and the sketch's error is far below that of the sample.
inline constexpr std::int64_t kExactWidth = 4096;
inline constexpr std::int64_t kRowsPerDimension = 4;
/// Of the sketch: random starting vectors, and Lanczos steps from each.
inline constexpr std::int64_t kProbes = 8;
inline constexpr std::int64_t kLanczosSteps = 64;

/// A measure on the eigenvalues: entry i says that `multiplicity[i]` (which need not be whole) of the d
/// eigenvalues are `value[i]`. sum_i multiplicity[i] f(value[i]) is, or estimates, tr f(C).
struct CovarianceSpectrum {
  std::vector<double> value, multiplicity;
  double shrinkage = 0.0;  ///< share of the isotropic target in C
};

/// Whether the spectrum of so many rows is computed exactly.
[[nodiscard]] bool spectrum_is_exact(std::int64_t rows, std::int64_t width);
/// Entries of `value` for so many rows.
[[nodiscard]] std::int64_t spectrum_entries(std::int64_t rows, std::int64_t width);

/// Of C = (1 - r) S + r (tr S / d) I, where S = X^T X / n is the covariance of the n rows less their mean and
/// r = min(b, s) / s with s = |S - (tr S / d) I|^2 and b = (sum_k |x_k|^4 / n - |S|^2) / n (Ledoit & Wolf,
/// J. Multivariate Analysis 88, 2004; Frobenius norms). r is right for independent rows; tokens of a text are
/// not, so it is rather too small. `rows` (n, d) is overwritten; the sketch takes the
/// centred rows to float32 again, sums are float64.
///
/// Exact: eigenvalues of the smaller of S and X X^T / n, ascending; where n < d the last entry stands for the
/// d - n directions that no row has, which are shrinkage alone.
///
/// Otherwise stochastic Lanczos quadrature (Ubaru, Chen & Saad, SIAM J. Matrix Anal. 38, 2017): kProbes
/// random sign vectors, kLanczosSteps nodes from each, in this order; the last ones have multiplicity 0 where
/// fewer steps were enough for the rate at noise of 0.003 of the rows' size to change by less than 1e-6. Sums
/// over one probe's entries times kProbes are independent estimates of the trace: their spread is the error.
/// `seed` keys the signs.
[[nodiscard]] CovarianceSpectrum covariance_spectrum(FloatMatrix rows, std::uint64_t seed);

}  // namespace strata
