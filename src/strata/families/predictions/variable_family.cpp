// T5: the variable family's boundaries spread more than the stable family's.
#include <fmt/format.h>

#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"

namespace strata {
namespace {

constexpr int kSetSize = 4;

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {std::log(2.0), kUndefined};
  const ModelList variable = view.family(view.card->variable_family),
                  stable = view.family(view.card->stable_family);
  a.models = static_cast<int>(variable.size() + stable.size());
  a.models_needed = models_for_labels(view.card->alpha / kSetSize, false);
  if (!require_families(view, a)) return a;
  const SpreadContrast c = contrast_spread(variable, stable, *view.card);
  a.effect = c.ln_sd_ratio;
  a.interval_90 = c.ln_sd_ratio_interval_90;
  a.p_value = c.p_value;
  a.smallest_p = c.smallest_p;
  if (std::isnan(a.effect)) return a;
  a.found = fmt::format("The SD of {} is {:.2f} times that of {}, location error removed; {}.", c.family,
                        std::exp(c.ln_sd_ratio), c.against, c.note);
  a.quantities.push_back({.name = "Brown-Forsythe F",
                          .unit = "1",
                          .value = c.brown_forsythe_f,
                          .note = fmt::format("p = {:.2g}", c.brown_forsythe_p)});
  return a;
}

}  // namespace

Prediction variable_family() {
  return {
      .id = "T5",
      .title = "the variable family (Qwen) is variable",
      .claim = "Boundaries of the variable family spread more over relative depth than the stable family's.",
      .statistic =
          "ln ratio of the families' SDs of the relative depth of selected boundaries, location error "
          "removed",
      .null = "exchangeable family labels",
      .region = "ln ratio at least ln 2; the paper's CVs give 5 to 11",
      .refuted_by = "an interval of the ln ratio below ln 2",
      .effect_unit = "ln ratio",
      .set = TestSet::between_model,
      .assess = assess};
}

}  // namespace strata
