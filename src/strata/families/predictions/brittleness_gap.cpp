// T6: the families' Local segments differ in brittleness, by function and not by scale.
#include <fmt/format.h>

#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/labelings.h"

namespace strata {
namespace {

constexpr int kSetSize = 4;

// Of the absolute value, from that of the signed one.
Interval absolute(const Interval& i) {
  if (!std::isfinite(i.lo) || !std::isfinite(i.hi)) return kNoInterval;
  const double a = std::fabs(i.lo), b = std::fabs(i.hi);
  return {i.lo <= 0.0 && i.hi >= 0.0 ? 0.0 : std::min(a, b), std::max(a, b)};
}

void add_permutation(const ModelList& variable, const ModelList& stable, const StudyCard& card,
                     Assessment& a) {
  std::vector<double> values;
  std::vector<bool> observed;
  for (const ModelList* list : {&variable, &stable}) {
    for (const Evidence* e : *list) {
      const double x = segment_mean(*e, e->ln_kappa, 0);
      if (!std::isfinite(x)) continue;
      values.push_back(x);
      observed.push_back(list == &variable);
    }
  }
  const auto statistic = [&](const std::vector<bool>& first) {
    double sum[2] = {0.0, 0.0}, n[2] = {0.0, 0.0};
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum[first[i]] += values[i];
      n[first[i]] += 1.0;
    }
    return n[0] > 0.0 && n[1] > 0.0 ? std::fabs(sum[1] / n[1] - sum[0] / n[0]) : 0.0;
  };
  Philox rng({.seed = card.seed, .stream = Stream::permutation, .a = 6});
  const auto test = stats::permute_labels(observed, statistic, card.permutations, true, rng);
  a.p_value = test.p_value;
  a.smallest_p = test.smallest_p;
}

void describe(const SegmentGap& gap, Assessment& a) {
  a.found = fmt::format("To relative noise the Local segments of {} and {} differ by a factor of {:.3g}",
                        gap.family, gap.against, std::exp(std::fabs(gap.ln_kappa)));
  if (std::isfinite(gap.ln_absolute)) {
    a.found +=
        fmt::format(", to absolute noise by {:.4g}, of which the size of the residual stream makes {:.4g}",
                    std::exp(std::fabs(gap.ln_absolute)), std::exp(std::fabs(gap.scale)));
  }
  a.found += fmt::format(" ({}).", gap.note);
  a.tag = gap.reading == "scale artefact" ? gap.reading : "";
  a.quantities = {
      {.name = "ln ratio, relative noise",
       .unit = "nats",
       .value = gap.ln_kappa,
       .interval_90 = gap.ln_kappa_interval_90,
       .note = {}},
      {.name = "ln ratio, absolute noise",
       .unit = "nats",
       .value = gap.ln_absolute,
       .interval_90 = gap.ln_absolute_interval_90,
       .note = {}},
      {.name = "of it scale, -2 ln rms_eff ratio", .unit = "nats", .value = gap.scale, .note = {}},
      {.name = "-2 ln ratio of the median tokens' rms", .unit = "nats", .value = gap.rms_scale, .note = {}},
      {.name = "rms-gradient correlation",
       .unit = "nats",
       .value = gap.remainder,
       .note = "scale minus the line above"},
      {.name = "the paper's gap",
       .unit = "nats",
       .value = std::log(493.0),
       .note = "493x; its definition of brittleness is not public"}};
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {std::log(10.0), kUndefined};
  const ModelList variable = view.family(view.card->variable_family),
                  stable = view.family(view.card->stable_family);
  a.models = static_cast<int>(variable.size() + stable.size());
  a.missing = too_few(variable, stable, *view.card);
  a.models_needed = models_for_labels(view.card->alpha / kSetSize, true);
  for (const ModelList* list : {&variable, &stable}) {
    for (const Evidence* e : *list) a.count_forced(*e);
  }
  if (variable.empty() || stable.empty()) return a;
  const SegmentGap gap = segment_gap(variable, stable, 0);
  if (std::isnan(gap.ln_kappa)) {
    a.missing = "the records hold no kappa of the Local segments";
    return a;
  }
  a.effect = std::fabs(gap.ln_kappa);
  a.interval_90 = absolute(gap.ln_kappa_interval_90);
  add_permutation(variable, stable, *view.card, a);
  describe(gap, a);
  return a;
}

}  // namespace

Prediction brittleness_gap() {
  return {.id = "T6",
          .title = "brittleness gap between families",
          .claim = "The Local segments of the two families differ in brittleness by orders of magnitude.",
          .statistic =
              "|ln ratio| of the family geometric means of Local kappa (relative noise), with its split "
              "under absolute noise into function and scale",
          .null = "exchangeable family labels",
          .region = "a factor of at least 10; the paper says 493",
          .refuted_by =
              "an interval of the factor below 10. A relative interval that holds 1 where the absolute "
              "one does not reads \"scale artefact\"",
          .effect_unit = "|ln ratio|",
          .set = TestSet::between_model,
          .assess = assess};
}

}  // namespace strata
