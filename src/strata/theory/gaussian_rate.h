// Rate and effective dimension of the Gaussian channel z = u + eps xi at one state, from the spectrum of u.
#pragma once

#include "strata/record/trace.h"

namespace strata {

/// A trace of a function of the covariance, with the standard error of the sketch (0 where it is exact).
struct TraceEstimate {
  double value = 0.0;
  double standard_error = 0.0;
};

/// R(eps) = 1/2 sum_i ln(1 + lambda_i / eps^2) in nats per token: the most that z = u + eps xi, xi ~ N(0, I),
/// can say about u when u has this covariance (a Gaussian u reaches it). eps > 0.
[[nodiscard]] TraceEstimate gaussian_rate(const SpectrumRecord& spectrum, int state, double eps);

/// m(eps) = sum_i lambda_i / (lambda_i + eps^2) = -dR / d ln eps: how many directions the noise leaves
/// visible.
[[nodiscard]] TraceEstimate effective_dimension(const SpectrumRecord& spectrum, int state, double eps);

}  // namespace strata
