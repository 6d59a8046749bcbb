// First-order autoregressive noise along depth: likelihood of residuals, and paths of it.
// All coordinates share one rho and, in the likelihood, one innovation variance.
#pragma once

#include <span>

#include "strata/base/matrix.h"
#include "strata/base/philox.h"

namespace strata::stats {

/// Everything the AR(1) likelihood needs of an n x D residual matrix, summed over coordinates.
struct ResidualSums {
  double square = 0.0;  ///< sum over t of r_t^2
  double lag = 0.0;     ///< sum over t >= 1 of r_t r_{t-1}
  double inner = 0.0;   ///< sum over 1 <= t <= n-2 of r_t^2
};

/// Sums of `values - fitted`; both n x D.
[[nodiscard]] ResidualSums residual_sums(const Matrix& values, const Matrix& fitted);

struct Ar1Fit {
  double rho = 0.0;
  double innovation_sum = 0.0;  ///< (1-rho^2) r_0^2 + sum (r_t - rho r_{t-1})^2
};

/// Largest rho that is fitted or simulated; above it stationary noise of n <= 100 layers is a walk.
inline constexpr double kMaxRho = 0.98;

/// Exact maximum likelihood of stationary Gaussian AR(1) (Beach and MacKinnon 1978, Econometrica 46:51:
/// the score is a cubic in rho with one root in (-1, 1)), variance profiled out, rho within [0, kMaxRho]:
/// residuals of a fit with too many jumps alternate, and a negative rho would reward that.
[[nodiscard]] Ar1Fit fit_ar1(const ResidualSums& sums, std::size_t n);

/// Profile log-likelihood (up to a constant) of n x dimension residuals; `dimension` may be fractional.
/// `floor` is the smallest innovation sum taken seriously, so that an exact fit stays finite.
[[nodiscard]] double ar1_log_likelihood(const ResidualSums& sums, std::size_t n, double dimension,
                                        double floor);

/// Fills `noise` (n x D) with stationary AR(1) paths: coordinate j has marginal standard deviation sd[j].
void fill_ar1(Matrix& noise, double rho, std::span<const double> sd, Philox& rng);

/// Fills `noise` (n x D) with random walks from 0: coordinate j has increments of standard deviation sd[j].
void fill_walk(Matrix& noise, std::span<const double> sd, Philox& rng);

}  // namespace strata::stats
