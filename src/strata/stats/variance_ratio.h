// Distributions of sample variances: chi-square, Fisher's F, and its noncentral form for shares of variance.
#pragma once

namespace strata::stats {

struct Range {
  double lo = 0.0;
  double hi = 0.0;
};

/// P(X <= x) of chi-square with `freedom` > 0.
[[nodiscard]] double chi_square_cdf(double x, double freedom);
/// The x with P(X <= x) = p, 0 < p < 1.
[[nodiscard]] double chi_square_quantile(double p, double freedom);

/// P(F <= f) of Fisher's F.
[[nodiscard]] double fisher_cdf(double f, double freedom_above, double freedom_below);
/// The f with P(F <= f) = p, 0 < p < 1.
[[nodiscard]] double fisher_quantile(double p, double freedom_above, double freedom_below);

/// P(F <= f) of the noncentral F (a Poisson mixture of incomplete betas, DLMF 8.17 and Johnson, Kotz and
/// Balakrishnan 1995, 30.2); noncentrality >= 0.
[[nodiscard]] double noncentral_fisher_cdf(double f, double freedom_above, double freedom_below,
                                           double noncentrality);

/// 90% interval of the standard deviation of a normal sample with this SD: sd sqrt(freedom / chi-square).
[[nodiscard]] Range sd_interval_90(double sd, double freedom);

/// 90% interval of ln(sigma_1 / sigma_2) of two normal samples, from their ln SD ratio.
[[nodiscard]] Range ln_sd_ratio_interval_90(double ln_ratio, double freedom_1, double freedom_2);

/// 90% interval of a population's partial R^2, by inverting the noncentral F (Steiger and Fouladi 1992):
/// R^2 = lambda / (lambda + freedom_above + freedom_below + 1). `r2` in [0, 1].
[[nodiscard]] Range partial_r2_interval_90(double r2, double freedom_above, double freedom_below);

}  // namespace strata::stats
