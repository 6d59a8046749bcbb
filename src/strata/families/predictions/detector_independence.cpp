// T3: detectors agree.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/displacement.h"
#include "strata/families/predictions/registry.h"

namespace strata {
namespace {

// RMS over models.
double together(const std::vector<double>& distances) {
  double square = 0.0;
  for (const double d : distances) square += d * d / static_cast<double>(distances.size());
  return std::sqrt(square);
}

Assessment assess(const StudyView& view) {
  Assessment a;
  std::vector<SplitPair> pairs;
  std::vector<const Evidence*> used;
  std::vector<double> distances;
  std::size_t draws = 0;
  for (const Evidence* e : view.main) {
    const double distance = split_distance(e->by_detector, e->n_layers);
    if (std::isnan(distance) || e->smooth_distance.empty()) continue;
    for (std::size_t i = 0; i < e->by_detector.size(); ++i) {
      for (std::size_t j = i + 1; j < e->by_detector.size(); ++j) {
        if (e->by_detector[i].defined() && e->by_detector[j].defined())
          pairs.push_back({&e->by_detector[i], &e->by_detector[j], e->n_layers});
      }
    }
    used.push_back(e);
    distances.push_back(distance);
    draws = used.size() == 1 ? e->smooth_distance.size() : std::min(draws, e->smooth_distance.size());
    a.quantities.push_back({.name = "distance between detectors, " + e->model,
                            .unit = "relative depth",
                            .value = distance,
                            .note = {}});
  }
  a.models = static_cast<int>(used.size());
  if (used.empty()) {
    a.missing = "no run has two detectors";
    return a;
  }
  const double observed = together(distances);
  int agreeing = 0;
  double expected = 0.0;
  for (std::size_t i = 0; i < draws; ++i) {
    std::vector<double> smooth;
    for (const Evidence* e : used) smooth.push_back(e->smooth_distance[i]);
    const double distance = together(smooth);
    agreeing += distance <= observed ? 1 : 0;
    expected += distance / static_cast<double>(draws);
  }
  a.p_value = (1.0 + agreeing) / (1.0 + static_cast<double>(draws));
  a.smallest_p = 1.0 / (1.0 + static_cast<double>(draws));
  const double margin = same_place_margin(pairs);
  const Displacement d = estimate_displacement(
      pairs, margin, view.card->resamples, {.seed = view.card->seed, .stream = Stream::bootstrap, .a = 3000});
  a.claimed_region = {kUndefined, margin};
  a.effect = d.rms;
  a.interval_90 = d.interval_90;
  a.found = fmt::format(
      "Detectors put the two boundaries {:.3f} of the depth apart (RMS {:.3f}); on smooth curves with the "
      "same noise they are {:.3f} apart.",
      d.mean, observed, expected);
  return a;
}

}  // namespace

Prediction detector_independence() {
  return {.id = "T3",
          .title = "detector independent",
          .claim = "Detectors that look at different things put the two boundaries at the same place.",
          .statistic =
              "root mean square distance between the detectors' best two-boundary splits; the effect "
              "has their location errors removed",
          .null = "smooth curves with AR(1) noise, through all detectors with the same noise",
          .region = "at most 0.05 of the depth, or one block where that is more",
          .refuted_by = "an interval of the distance above the margin",
          .effect_unit = "relative depth",
          .set = TestSet::within_model,
          .assess = assess};
}

}  // namespace strata
