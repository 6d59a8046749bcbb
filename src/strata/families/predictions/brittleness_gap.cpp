// T6: the families' Local segments differ in brittleness, by function and not by scale.
#include <fmt/format.h>

#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/labelings.h"

namespace strata {
namespace {

constexpr int kSetSize = 4;

constexpr double kClaimedFactor = 10.0;

Interval factors(const Interval& ln) {
  return {std::exp(ln.lo), std::exp(ln.hi)};
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

// "0.8053 (relative noise) x 6.848 (scale) = 5.515 (absolute noise)"
std::string product_words(const SegmentGap& gap) {
  if (!std::isfinite(gap.ln_absolute)) return fmt::format("{:.4g} (relative noise)", std::exp(gap.ln_kappa));
  return fmt::format("{:.4g} (relative noise) x {:.4g} (scale) = {:.4g} (absolute noise)",
                     std::exp(gap.ln_kappa), std::exp(gap.scale), std::exp(gap.ln_absolute));
}

// Factors, `family` over `against`: the first times the second is the third.
void add_factors(const SegmentGap& gap, Assessment& a) {
  const std::string of = fmt::format("{}, {} over {}", gap.segment, gap.family, gap.against);
  const auto add = [&](const char* what, double ln, const Interval& interval, const char* note) {
    a.quantities.push_back({.name = fmt::format("{}: {}", of, what),
                            .unit = "factor",
                            .value = std::exp(ln),
                            .interval_90 = factors(interval),
                            .note = note});
  };
  add("relative noise", gap.ln_kappa, gap.ln_kappa_interval_90, "function");
  if (!std::isfinite(gap.ln_absolute)) return;
  add("scale", gap.scale, kNoInterval, "rms_eff ratio to the power -2");
  add("absolute noise", gap.ln_absolute, gap.ln_absolute_interval_90, "relative noise x scale");
  add("scale of the median tokens' rms", gap.rms_scale, kNoInterval, "its ratio to the power -2");
  add("rms-gradient correlation", gap.remainder, kNoInterval, "scale over the line above");
}

// The gap that needs no boundaries. It is measured in any study and decides nothing: the claim is about
// Local.
void add_whole_depth(const StudyView& view, Assessment& a) {
  const SegmentGap gap = segment_gap(of_family(view.main, view.card->variable_family),
                                     of_family(view.main, view.card->stable_family), kAllBlocks);
  if (std::isnan(gap.ln_kappa)) return;
  add_factors(gap, a);
  a.found += fmt::format("{}Over all blocks, which needs no boundaries, {} over {} is {}{} ({}).",
                         a.found.empty() ? "" : " ", gap.family, gap.against, product_words(gap),
                         gap.reading.empty() ? "" : ": " + gap.reading, gap.note);
  if (!a.moot.empty() && gap.reading == "scale artefact") a.tag = gap.reading;
}

void add_local(const SegmentGap& gap, Assessment& a) {
  a.found = fmt::format("Kappa of the Local segments, {} over {}, is {} ({}).", gap.family, gap.against,
                        product_words(gap), gap.note);
  a.tag = gap.reading == "scale artefact" ? gap.reading : "";
  add_factors(gap, a);
  a.quantities.push_back({.name = "the paper's gap",
                          .unit = "factor",
                          .value = 493.0,
                          .note = "its definition of brittleness is not public, nor its direction"});
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {1.0 / kClaimedFactor, kClaimedFactor};
  a.claimed_outside = true;
  const ModelList variable = view.family(view.card->variable_family),
                  stable = view.family(view.card->stable_family);
  a.models = static_cast<int>(variable.size() + stable.size());
  a.models_needed = models_for_labels(view.card->alpha / kSetSize, true);
  const bool enough = require_families(view, a);
  if (a.moot.empty() && !variable.empty() && !stable.empty()) {
    const SegmentGap gap = segment_gap(variable, stable, 0);
    if (std::isnan(gap.ln_kappa)) {
      a.missing = "the records hold no kappa of the Local segments";
      return a;
    }
    a.effect = std::exp(gap.ln_kappa);
    a.interval_90 = factors(gap.ln_kappa_interval_90);
    if (enough) add_permutation(variable, stable, *view.card, a);
    add_local(gap, a);
  }
  add_whole_depth(view, a);
  return a;
}

}  // namespace

Prediction brittleness_gap() {
  return {.id = "T6",
          .title = "brittleness gap between families",
          .claim = "The Local segments of the two families differ in brittleness by orders of magnitude.",
          .statistic =
              "ratio of the family geometric means of Local kappa (relative noise), variable over stable "
              "family; beside it scale and absolute noise: relative x scale = absolute",
          .null = "exchangeable family labels",
          .region = "a factor of at least 10 in either direction; the paper says 493",
          .refuted_by =
              "an interval of the factor between 1/10 and 10. A relative interval that holds 1 where the "
              "absolute one does not reads \"scale artefact\"",
          .effect_unit = "factor",
          .set = TestSet::between_model,
          .assess = assess};
}

}  // namespace strata
