// Where the boundaries are: intervals, histograms and modal shares from resampling.
#pragma once

#include <cstdint>

#include "strata/record/findings.h"
#include "strata/segmentation/models.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

/// The shortest central range of a histogram over edges 1, 2, ... that leaves at most 5% on each side.
[[nodiscard]] Interval central_interval(const std::vector<double>& histogram);

/// Estimates for the edges of `model`, a fit of K >= 1 jumps to profile.y.
///
/// Each of options.bootstraps resamples is: the fitted steps, plus AR(1) noise along depth, plus the
/// deviation of one document half-sample; the K edges are found again. The deviations have the variance
/// that documents add to the profile, and that part is taken out of the AR(1) noise, which was measured
/// on a profile that already holds it.
[[nodiscard]] std::vector<EdgeEstimate> locate(const Models& models, const Profile& profile,
                                               const FittedModel& model, std::uint32_t detector,
                                               const SegmentationOptions& options);

/// Share of half-samples whose smallest BIC belongs to 0 (the best smooth model), 1, ..., K_max jumps.
/// Empty without half-samples. It describes, and never chooses K: misfit to a smooth curve is the same in
/// every document, so documents always vote for more jumps.
[[nodiscard]] std::vector<double> k_stability(const Models& models, const Profile& profile, int threads);

}  // namespace strata
