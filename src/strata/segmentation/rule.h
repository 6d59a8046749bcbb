// From two searches to boundaries: the detectors "signals" and "states", and the rule "either".
//
// The rule: an edge is a boundary when the evidence of one of the two detectors has p <= alpha, where p
// counts that two were asked (p_factor). Edges of the two within two blocks of each other are one boundary,
// at the place of the stronger evidence.
#pragma once

#include "strata/record/findings.h"
#include "strata/segmentation/step_detector.h"

namespace strata {

/// What the p-value of a detector is multiplied with, so that the rule is wrong as often as alpha says: 1.25
/// (the two seldom err together or at their full level), and 2.5 below 20 blocks, where correlations of layer
/// noise rest on four to ten edges. Chosen on the nulls of docs/calibration.md.
[[nodiscard]] double p_factor(int n_layers);

/// The detection of one search.
[[nodiscard]] Detection detection_of(const StepSearch& search, const char* detector, TokenSet tokens,
                                     int n_layers);
/// The rule over both.
[[nodiscard]] Detection either_of(const StepSearch& signals, const StepSearch& states, TokenSet tokens,
                                  int n_layers, double alpha);

}  // namespace strata
