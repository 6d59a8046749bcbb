// The network as a hierarchical variational information bottleneck: rate, distortion and compression weight
// of the Gaussian channel at every state, and of segments.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// Distortions at which states are compared, nats per token.
inline constexpr double kMatchedDistortion[] = {1e-3, 1e-2, 1e-1};

/// One curve for each state that has both a "relative_noise" curve and a spectrum, by state; none without
/// spectra. Definitions are strata's own (docs/rate_distortion.md): u = h / rms(h), z = u + eps xi.
///
/// At each positive strength eps: rate R(eps) and effective dimension m(eps) of gaussian_rate.h; distortion
/// D(eps), the pooled KL of the noise; compression weight beta = -dD/dR = (dD/d ln eps) / m. Where kappa was
/// read from this strength, dD/d ln eps = kappa eps^2; elsewhere it is D times the slope of ln D on ln eps of
/// the parabola through the point and its neighbours (three-point formula). NaN where D is not positive.
///
/// At each matched distortion: the smallest eps that reaches it, by linear interpolation of ln D on ln eps,
/// or by D = kappa eps^2 / 2 below the smallest strength; beta = D slope / m there. NaN with a note where the
/// curve does not reach it.
///
/// Errors: over documents for D (ratio estimator) and for ln beta (jackknife, the spectrum held fixed), NaN
/// with fewer than two documents; of the sketch for R.
[[nodiscard]] std::vector<StateRateDistortion> rate_distortion(const Trace& trace,
                                                               const std::vector<KappaEstimate>& kappa);

/// For each segment, over the input states of its blocks that have a curve: arithmetic means of R, D and m at
/// equal eps, geometric mean of beta, and the same at equal distortion. Errors of means treat states as
/// independent where they are errors of a sketch, and as fully dependent where they are over documents, which
/// all states share (an upper bound). States left out are counted in `note`.
[[nodiscard]] std::vector<SegmentRateDistortion> segment_rate_distortion(
    const std::vector<Segment>& segments, bool forced, const std::vector<StateRateDistortion>& states);

}  // namespace strata
