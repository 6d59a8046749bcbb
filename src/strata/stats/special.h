// Special functions behind the distributions of this module: those of Eigen, after Moshier (Cephes). Relative
// error below 2e-12, of the quantile 1e-15 (against 40 digits; parameters from 0.1 to 1000).
#pragma once

namespace strata::stats {

/// I_x(a, b), the regularised incomplete beta function; a, b > 0.
[[nodiscard]] double incomplete_beta(double x, double a, double b);

/// P(a, x), the regularised lower incomplete gamma function; a > 0.
[[nodiscard]] double incomplete_gamma(double a, double x);

/// The x that a standard normal stays below with probability p, 0 < p < 1.
[[nodiscard]] double normal_quantile(double p);

}  // namespace strata::stats
