// T7: the family, not the size, says where the boundaries are.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/labelings.h"
#include "strata/stats/least_squares.h"
#include "strata/stats/variance_ratio.h"

namespace strata {
namespace {

constexpr int kSetSize = 4;

// Partial R^2 of `column` given `other`, sums of squares added over both depths (each in units of its SD).
double partial_r2(const std::vector<double> (&depths)[2], const stats::Column& column,
                  const stats::Column& other) {
  double before = 0.0, after = 0.0;
  for (const auto& y : depths) {
    const double total = stats::regress(y, {}).sse;
    if (!(total > 0.0)) continue;
    before += stats::regress(y, {other}).sse / total;
    after += stats::regress(y, {other, column}).sse / total;
  }
  return before > 0.0 ? (before - after) / before : kUndefined;
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {0.5, 1.0};
  const ModelList variable = view.family(view.card->variable_family),
                  stable = view.family(view.card->stable_family);
  a.models_needed = models_for_labels(view.card->alpha / kSetSize, true);
  a.models = static_cast<int>(variable.size() + stable.size());
  if (!require_families(view, a)) return a;
  std::vector<double> depths[2];
  stats::Column sizes, labels;
  for (const ModelList* list : {&variable, &stable}) {
    for (const Evidence* e : *list) {
      if (!std::isfinite(e->ln_parameters)) continue;
      for (std::size_t b = 0; b < 2; ++b) depths[b].push_back(e->depth(b));
      sizes.push_back(e->ln_parameters);
      labels.push_back(list == &variable ? 1.0 : 0.0);
    }
  }
  a.models = static_cast<int>(labels.size());
  a.effect = partial_r2(depths, labels, sizes);
  if (std::isnan(a.effect)) {
    a.missing = "the boundaries of all models lie at one depth: there is nothing to explain";
    return a;
  }
  const double size = partial_r2(depths, sizes, labels);
  const auto range = stats::partial_r2_interval_90(std::clamp(a.effect, 0.0, 1.0), 2.0, 2.0 * (a.models - 3));
  a.interval_90 = {range.lo, range.hi};
  const auto statistic = [&](const std::vector<bool>& first) {
    stats::Column column;
    for (const bool x : first) column.push_back(x ? 1.0 : 0.0);
    return partial_r2(depths, column, sizes);
  };
  std::vector<bool> observed;
  for (const double x : labels) observed.push_back(x > 0.5);
  Philox rng({.seed = view.card->seed, .stream = Stream::permutation, .a = 9});
  const auto test = stats::permute_labels(observed, statistic, view.card->permutations, true, rng);
  a.p_value = test.p_value;
  a.smallest_p = test.smallest_p;
  if (size >= a.effect) a.against = "size explains as much as the family does";
  a.found = fmt::format(
      "Given the number of parameters, family explains {:.0f}% of what is left of the boundaries' variance; "
      "given the family, size explains {:.0f}%.",
      100.0 * a.effect, 100.0 * size);
  a.quantities.push_back(
      {.name = "partial R^2 of ln parameters given family", .unit = "1", .value = size, .note = {}});
  return a;
}

}  // namespace

Prediction family_over_size() {
  return {.id = "T7",
          .title = "family over size",
          .claim = "The family says where the boundaries lie, the number of parameters does not.",
          .statistic = "partial R^2 of family given ln parameters, over both selected boundaries",
          .null = "exchangeable family labels",
          .region = "at least 0.5, and more than that of ln parameters given family",
          .refuted_by = "an interval of the partial R^2 below 0.5",
          .effect_unit = "partial R^2",
          .set = TestSet::between_model,
          .assess = assess};
}

}  // namespace strata
