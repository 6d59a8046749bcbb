// What a gap in absolute sensitivity is made of: scale and function.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// One entry for each state, from the backward sweep's series "sensitivity" (kappa) and
/// "sensitivity_absolute" (B_abs), ordinary tokens, and from "residual_rms"; empty without the first two.
/// Documents are pooled by lane tokens; those outside the lane sample are NaN. With
/// rms_effective^2 = kappa / B_abs the identity ln B_abs = ln kappa - 2 ln rms_effective holds exactly, per
/// document and pooled (the pooled rms_effective is that of the pooled values). residual_rms is a median over
/// all of the document's windows, not over its lane alone.
[[nodiscard]] std::vector<StateSplit> split_states(const Trace& trace);

/// One model's side of a gap: values of a state, or geometric means over a segment's states.
struct Sensitivity {
  double kappa = 0.0;       ///< relative, nats
  double absolute = 0.0;    ///< B_abs, nats per squared residual unit
  double rms_median = 0.0;  ///< plain median RMS
};

/// ln(B_abs of b / B_abs of a) = function + scale, exactly, and scale = plain_scale + correlation.
struct GapSplit {
  double absolute = 0.0;     ///< ln of the ratio of B_abs
  double function = 0.0;     ///< ln of the ratio of kappa
  double scale = 0.0;        ///< -2 ln of the ratio of the effective RMS
  double plain_scale = 0.0;  ///< -2 ln of the ratio of the median RMS
  double correlation = 0.0;  ///< what is left of scale: "rms-gradient correlation"
};
/// NaN where a value is not positive.
[[nodiscard]] GapSplit split_gap(const Sensitivity& a, const Sensitivity& b);

}  // namespace strata
