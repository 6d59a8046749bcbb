// T3: detectors agree.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/displacement.h"
#include "strata/families/predictions/registry.h"

namespace strata {
namespace {

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double x : values) sum += x / static_cast<double>(values.size());
  return sum;
}

// Pairs of detectors that both select two boundaries.
std::vector<SplitPair> selected_pairs(const Evidence& e) {
  std::vector<SplitPair> pairs;
  for (std::size_t i = 0; i < e.by_detector.size(); ++i) {
    for (std::size_t j = i + 1; j < e.by_detector.size(); ++j) {
      if (e.by_detector[i].defined() && e.by_detector[j].defined())
        pairs.push_back({&e.by_detector[i], &e.by_detector[j], e.n_layers});
    }
  }
  for (SplitPair& pair : pairs) pair.weight = 1.0 / static_cast<double>(pairs.size());
  return pairs;
}

bool two_detectors_select(const Evidence& e) {
  return !selected_pairs(e).empty();
}

// How often surrogates of the same models agree as well.
void add_null(const std::vector<const Evidence*>& used, Assessment& a) {
  std::size_t draws = used.front()->smooth_distance.size();
  for (const Evidence* e : used) draws = std::min(draws, e->smooth_distance.size());
  if (draws == 0) return;
  int agreeing = 0;
  double expected = 0.0;
  for (std::size_t i = 0; i < draws; ++i) {
    std::vector<double> smooth;
    for (const Evidence* e : used) smooth.push_back(e->smooth_distance[i]);
    const double distance = mean(smooth);
    agreeing += distance <= a.effect + 1e-12 ? 1 : 0;
    expected += distance / static_cast<double>(draws);
  }
  a.p_value = (1.0 + agreeing) / (1.0 + static_cast<double>(draws));
  a.smallest_p = 1.0 / (1.0 + static_cast<double>(draws));
  a.found +=
      fmt::format(" On smooth curves with the same noise their best splits are {:.3f} apart.", expected);
}

Assessment assess(const StudyView& view) {
  Assessment a;
  std::vector<SplitPair> pairs;
  std::vector<const Evidence*> used;
  for (const Evidence* e : view.main) {
    const auto own = selected_pairs(*e);
    if (own.empty()) continue;
    pairs.insert(pairs.end(), own.begin(), own.end());
    used.push_back(e);
    a.quantities.push_back({.name = "distance between detectors, " + e->model,
                            .unit = "relative depth",
                            .value = split_distance(e->by_detector, e->n_layers),
                            .note = {}});
  }
  a.models = static_cast<int>(used.size());
  if (!require_selected(view.main, two_detectors_select, 1, "model", a)) {
    if (!a.moot.empty()) a.moot += " by two detectors";
    return a;
  }
  const double margin = same_place_margin(pairs);
  const Displacement d = estimate_displacement(
      pairs, margin, view.card->resamples, {.seed = view.card->seed, .stream = Stream::bootstrap, .a = 3000});
  a.claimed_region = {kUndefined, margin};
  a.effect = d.mean;
  a.interval_90 = d.interval_90;
  a.found = fmt::format("Detectors put the two boundaries {:.3f} of the depth apart.", a.effect);
  add_null(used, a);
  return a;
}

}  // namespace

Prediction detector_independence() {
  return {.id = "T3",
          .title = "detector independent",
          .claim = "Detectors that look at different things put the two boundaries at the same place.",
          .statistic =
              "mean |db| between the boundaries that the detectors select, first with first and second with "
              "second, in relative depth",
          .null = "the detectors' best splits of smooth curves with AR(1) noise, the same noise for all",
          .region = "at most 0.05 of the depth, or one block where that is more",
          .refuted_by = "an interval of the distance above the margin",
          .effect_unit = "relative depth",
          .set = TestSet::within_model,
          .assess = assess};
}

}  // namespace strata
