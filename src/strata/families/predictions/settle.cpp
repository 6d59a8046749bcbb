// From what was found to verdicts: Holm within the sets, the rules of docs/theory.md, and the reason in
// words.
#include <fmt/format.h>

#include <cmath>

#include "strata/families/predictions/prediction.h"
#include "strata/stats/labelings.h"

namespace strata {
namespace {

bool claimed(double value, const Assessment& a) {
  const Interval& region = a.claimed_region;
  if (a.claimed_outside) return value <= region.lo || value >= region.hi;
  return !(value < region.lo) && !(value > region.hi);  // an open end is NaN and compares false
}

// Whether no value of the interval is claimed.
bool contradicts(const Interval& interval, const Assessment& a) {
  if (!std::isfinite(interval.lo) || !std::isfinite(interval.hi)) return false;
  const Interval& region = a.claimed_region;
  if (a.claimed_outside) return interval.lo > region.lo && interval.hi < region.hi;
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
  if (!claimed(a.effect, a)) {
    if (contradicts(a.interval_90, a)) return fmt::format("Undecided: {}.", a.unclear);
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

std::string needed_words(const Verdict& v, const Assessment& a) {
  if (v.models_needed == 0) return "";
  const bool one = v.models_needed == 1;
  return fmt::format(" At least {} {}{}{} {} needed.", v.models_needed, one ? "model" : "models",
                     a.one_family                      ? " of the family"
                     : v.set == TestSet::between_model ? " of each family"
                                                       : "",
                     v.outcome == Outcome::moot ? " with two selected boundaries" : "", one ? "is" : "are");
}

// How likely the tests were to find what is not there to be judged.
std::string power_words(const Verdict& v, const Assessment& a) {
  if (a.tested == 0) return "";
  const std::string depth = a.fewest_blocks == a.most_blocks
                                ? fmt::format("{}", a.most_blocks)
                                : fmt::format("{} to {}", a.fewest_blocks, a.most_blocks);
  return std::isfinite(v.power)
             ? fmt::format(
                   " At {} blocks the tests select two boundaries that are there in {:.0f}% of cases.", depth,
                   100.0 * v.power)
             : fmt::format(
                   " How often they would at {} blocks if two were there is not in these records "
                   "(docs/calibration.md).",
                   depth);
}

// The mean of those that are known.
double mean_power(const std::vector<double>& powers) {
  double sum = 0.0, n = 0.0;
  for (const double x : powers) {
    if (!std::isfinite(x)) continue;
    sum += x;
    n += 1.0;
  }
  return n > 0.0 ? sum / n : kUndefined;
}

void decide(Verdict& v, const Assessment& a, double alpha) {
  const bool too_few = !(a.smallest_p < alpha) && !std::isnan(a.smallest_p);
  if (!a.missing.empty()) {
    v.reason = fmt::format("Undecided: {}.", a.missing);
  } else if (!a.moot.empty()) {
    v.outcome = Outcome::moot;
    v.reason = fmt::format("Moot: {}.", a.moot);
  } else if (too_few && a.selected < a.tested) {
    v.outcome = Outcome::moot;
    v.reason = fmt::format(
        "Moot: the tests select two boundaries in {} of {}, and no data on so few could give a p below {}.",
        a.selected, a.tested, p_text(a.smallest_p));
  } else if (too_few) {
    v.reason = fmt::format("Undecided: no data on so few could give a p below {}.", p_text(a.smallest_p));
  } else if (contradicts(a.interval_90, a) && !(a.p_against >= alpha)) {
    v.outcome = Outcome::refuted;
    v.models_needed = 0;
    v.reason = "Refuted: the whole 90% interval of the effect lies outside the claimed region.";
  } else if (v.p_adjusted < alpha && claimed(a.effect, a) && a.against.empty()) {
    v.outcome = Outcome::supported;
    v.models_needed = 0;
    v.reason = fmt::format("Supported: the effect is in the claimed region ({}).", adjusted_words(v, a));
  } else {
    v.reason = why_undecided(v, a, alpha);
  }
  if (v.outcome == Outcome::undecided || v.outcome == Outcome::moot) v.reason += needed_words(v, a);
  if (v.outcome == Outcome::moot) v.reason += power_words(v, a);
  if (!v.tag.empty()) v.reason += fmt::format(" It reads \"{}\".", v.tag);
  if (!a.found.empty()) v.reason += " " + a.found;
}

// Predictions that are adjusted together: those of a set that can be decided at all.
void adjust(std::vector<Verdict>& verdicts, const std::vector<Assessment>& assessments, TestSet set) {
  std::vector<double> p;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const bool counts =
        verdicts[i].set == set && assessments[i].missing.empty() && assessments[i].moot.empty();
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
                        .claimed_outside = a.claimed_outside,
                        .p_value = a.p_value,
                        .p_adjusted = a.p_value,
                        .smallest_p = a.smallest_p,
                        .models = a.models,
                        .models_needed = a.models_needed,
                        .reason = {},
                        .quantities = a.quantities,
                        .models_tested = a.tested,
                        .models_selected = a.selected,
                        .power = mean_power(a.powers)});
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
