// From what was found to verdicts: Holm within the sets, the rules of docs/theory.md, and the reason in
// words.
#include <fmt/format.h>

#include <cmath>

#include "strata/families/predictions/prediction.h"
#include "strata/stats/labelings.h"

namespace strata {
namespace {

bool inside(double value, const Interval& region) {
  return !(value < region.lo) && !(value > region.hi);  // an open end is NaN and compares false
}

bool wholly_outside(const Interval& interval, const Interval& region) {
  if (!std::isfinite(interval.lo) || !std::isfinite(interval.hi)) return false;
  return interval.hi < region.lo || interval.lo > region.hi;
}

std::string p_text(double p) {
  return p < 0.001 ? fmt::format("{:.1g}", p) : fmt::format("{:.2g}", p);
}

std::string adjusted_words(const Verdict& v, const Assessment& a) {
  return v.set == TestSet::descriptive
             ? fmt::format("p = {}", p_text(a.p_value))
             : fmt::format("p = {}, adjusted {}", p_text(a.p_value), p_text(v.p_adjusted));
}

// Why it is undecided, where the numbers could have decided it.
std::string why_undecided(const Verdict& v, const Assessment& a, double alpha) {
  if (std::isnan(a.effect)) return "Undecided: no effect could be measured.";
  if (!inside(a.effect, a.claimed_region)) {
    return "Undecided: the effect is not in the claimed region, but its interval reaches into it.";
  }
  if (!a.against.empty()) return fmt::format("Undecided: {}.", a.against);
  if (std::isnan(a.p_value))
    return "Undecided: the effect is in the claimed region, but there is no test of it.";
  if (a.p_value < alpha && v.p_adjusted >= alpha) {
    return fmt::format(
        "Undecided: the effect is in the claimed region, but not significant once adjusted for "
        "the other predictions ({}).",
        adjusted_words(v, a));
  }
  return fmt::format("Undecided: the effect is in the claimed region, but its null explains as much ({}).",
                     adjusted_words(v, a));
}

std::string needed_words(const Verdict& v) {
  if (v.models_needed == 0) return "";
  return v.set == TestSet::between_model
             ? fmt::format(" At least {} models of each family are needed.", v.models_needed)
             : fmt::format(" At least {} models are needed.", v.models_needed);
}

void decide(Verdict& v, const Assessment& a, double alpha) {
  if (!a.missing.empty()) {
    v.reason = fmt::format("Undecided: {}.", a.missing);
  } else if (!(a.smallest_p < alpha) && !std::isnan(a.smallest_p)) {
    v.reason = fmt::format("Undecided: no data on so few could give a p below {}.", p_text(a.smallest_p));
  } else if (wholly_outside(a.interval_90, a.claimed_region)) {
    v.outcome = Outcome::refuted;
    v.models_needed = 0;
    v.reason = "Refuted: the whole 90% interval of the effect lies outside the claimed region.";
  } else if (v.p_adjusted < alpha && inside(a.effect, a.claimed_region) && a.against.empty()) {
    v.outcome = Outcome::supported;
    v.models_needed = 0;
    v.reason = fmt::format("Supported: the effect is in the claimed region ({}).", adjusted_words(v, a));
  } else {
    v.reason = why_undecided(v, a, alpha);
  }
  if (v.outcome == Outcome::undecided) v.reason += needed_words(v);
  if (!v.tag.empty()) v.reason += fmt::format(" It reads \"{}\".", v.tag);
  if (!a.found.empty()) v.reason += " " + a.found;
  if (v.forced) {
    v.reason += a.forced_runs == a.runs ? " All boundaries here are forced splits, which exist in any model."
                                        : " Some boundaries are forced splits, which exist in any model.";
  }
}

// Predictions that are adjusted together: those of a set that can be decided at all.
void adjust(std::vector<Verdict>& verdicts, const std::vector<Assessment>& assessments, TestSet set) {
  std::vector<double> p;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const bool counts = verdicts[i].set == set && assessments[i].missing.empty();
    p.push_back(counts ? verdicts[i].p_value : kUndefined);
  }
  const auto adjusted = stats::holm(p);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].set == set) verdicts[i].p_adjusted = adjusted[i];
  }
}

}  // namespace

std::vector<Verdict> settle_verdicts(std::span<const Prediction> registry,
                                     const std::vector<Assessment>& assessments, double alpha) {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    const Prediction& p = registry[i];
    const Assessment& a = assessments[i];
    verdicts.push_back({.id = p.id,
                        .title = p.title,
                        .claim = p.claim,
                        .statistic = p.statistic,
                        .null = p.null,
                        .region = p.region,
                        .refuted_by = p.refuted_by,
                        .set = p.set,
                        .tag = a.tag,
                        .effect = a.effect,
                        .effect_unit = p.effect_unit,
                        .effect_interval_90 = a.interval_90,
                        .claimed_region = a.claimed_region,
                        .p_value = a.p_value,
                        .p_adjusted = a.p_value,
                        .smallest_p = a.smallest_p,
                        .models = a.models,
                        .models_needed = a.models_needed,
                        .forced = a.forced_runs > 0,
                        .reason = {},
                        .quantities = a.quantities});
  }
  adjust(verdicts, assessments, TestSet::within_model);
  adjust(verdicts, assessments, TestSet::between_model);
  for (std::size_t i = 0; i < verdicts.size(); ++i) decide(verdicts[i], assessments[i], alpha);
  return verdicts;
}

std::vector<Verdict> judge(const StudyView& view) {
  std::vector<Assessment> assessments;
  for (const Prediction& prediction : predictions()) assessments.push_back(prediction.assess(view));
  return settle_verdicts(predictions(), assessments, view.card->alpha);
}

}  // namespace strata
