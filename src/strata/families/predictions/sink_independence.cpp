// T2: boundaries are no artefact of massive activations.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/displacement.h"
#include "strata/families/predictions/registry.h"

namespace strata {
namespace {

// Mean distance of a model's boundaries to where massive activations begin or end; NaN without any.
double distance_to_massive(const Evidence& e) {
  if (e.massive_edges.empty()) return kUndefined;
  double sum = 0.0;
  for (const int edge : e.split.edges) {
    int nearest = e.n_layers;
    for (const int massive : e.massive_edges) nearest = std::min(nearest, std::abs(edge - massive));
    sum += 0.5 * nearest / e.n_layers;
  }
  return sum;
}

bool both_selected(const Evidence& e) {
  return e.split.defined() && e.with_sinks.defined();
}

Assessment assess(const StudyView& view) {
  Assessment a;
  std::vector<SplitPair> pairs;
  for (const Evidence* e : view.main) {
    if (e->with_sinks_k >= 0) {
      a.quantities.push_back({.name = "boundaries with sink tokens, " + e->model,
                              .unit = "boundaries",
                              .value = static_cast<double>(e->with_sinks_k),
                              .note = fmt::format("{} without", e->selected_k)});
    }
    if (!both_selected(*e)) continue;
    pairs.push_back({&e->split, &e->with_sinks, e->n_layers});
    a.quantities.push_back({.name = "distance to massive onset or offset, " + e->model,
                            .unit = "relative depth",
                            .value = distance_to_massive(*e),
                            .note = e->massive_edges.empty() ? "no massive token beyond the first" : ""});
  }
  a.models = static_cast<int>(pairs.size());
  if (!require_selected(view.main, both_selected, 1, "model", a)) {
    if (!a.moot.empty()) a.moot += " both with sink tokens and without";
    return a;
  }
  const double margin = same_place_margin(pairs);
  const Displacement d = estimate_displacement(
      pairs, margin, view.card->resamples, {.seed = view.card->seed, .stream = Stream::bootstrap, .a = 2000});
  a.claimed_region = {kUndefined, margin};
  a.effect = d.mean;
  a.interval_90 = d.interval_90;
  a.p_value = d.p_below_margin;
  a.smallest_p = 1.0 / (1.0 + view.card->resamples);
  a.found = fmt::format(
      "With sink tokens the boundaries lie {:.3f} of the depth from where they lie without.", d.mean);
  return a;
}

}  // namespace

Prediction sink_independence() {
  return {
      .id = "T2",
      .title = "not a massive-activation artefact",
      .claim = "The boundaries stay where they are when tokens with massive activations are left out.",
      .statistic = "mean |db| between the boundaries selected with sink tokens in and out, in relative depth",
      .null = "a shift of the margin or more",
      .region = "at most 0.05 of the depth, or one block where that is more",
      .refuted_by = "an interval of the shift above the margin",
      .effect_unit = "relative depth",
      .set = TestSet::within_model,
      .assess = assess};
}

}  // namespace strata
