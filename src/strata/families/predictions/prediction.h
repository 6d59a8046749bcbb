// A prediction of the theory as a registered test: what it claims, how it is measured, what would refute it.
// Adding one: a file with a function that returns it, and a row in registry.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "strata/families/evidence.h"
#include "strata/record/study.h"

namespace strata {

/// What a prediction is judged on.
struct StudyView {
  std::vector<const Evidence*> main;  ///< the runs on the main text, in the order of the study
  std::vector<const Evidence*> all;   ///< all runs
  const StudyCard* card = nullptr;

  /// Of the main text, with two selected boundaries.
  [[nodiscard]] std::vector<const Evidence*> family(const std::string& name) const;
};

/// In how many of the models that were tested the tests select two boundaries.
struct SelectedCount {
  int tested = 0, selected = 0;
};

/// What one prediction finds; outcome and adjusted p follow when all are known (settle_verdicts).
struct Assessment {
  double effect = kUndefined;
  Interval interval_90 = kNoInterval;
  Interval claimed_region = kNoInterval;  ///< an open end is NaN
  bool claimed_outside = false;           ///< the claim is that the effect lies outside claimed_region
  double p_value = kUndefined;
  /// p under the null of data that speak as clearly against the claim. Where it is defined, an interval
  /// outside the claimed region refutes only if it is below alpha.
  double p_against = kUndefined;
  double smallest_p = kUndefined;
  int models = 0;
  int models_needed = 0;
  int tested = 0, selected = 0;            ///< models asked for boundaries, and those with two selected ones
  int fewest_blocks = 0, most_blocks = 0;  ///< of the models asked
  bool one_family = false;                 ///< models_needed are of one family, not of each
  std::vector<double> powers;              ///< of the tests in the models asked; NaN = not known
  std::string tag;
  std::string found;    ///< one or two sentences of what was found; empty = nothing
  std::string missing;  ///< why it cannot be decided whatever the numbers are; empty = it can
  std::string moot;     ///< why there is nothing to decide for want of selected boundaries; empty = there is
  std::string against;  ///< why it is not supported whatever p is; empty = nothing
  std::string unclear;  ///< what it means that p_against is not below alpha
  std::vector<Quantity> quantities;

  /// Counts the models with `usable` boundaries among those that were tested, and adds them to the totals.
  SelectedCount count(const std::vector<const Evidence*>& asked, bool (*usable)(const Evidence&));
};

/// Whether at least `needed` of the tested models (`noun`) have usable boundaries. If not, the assessment is
/// moot where others lack them, and else misses models.
[[nodiscard]] bool require_selected(const std::vector<const Evidence*>& asked,
                                    bool (*usable)(const Evidence&), int needed, const std::string& noun,
                                    Assessment& a);
/// The same of kFewestModels of one family, and of each of the study's two.
[[nodiscard]] bool require_family(const StudyView& view, const std::string& family, Assessment& a);
[[nodiscard]] bool require_families(const StudyView& view, Assessment& a);

struct Prediction {
  const char* id;
  const char* title;
  const char* claim;
  const char* statistic;
  const char* null;
  const char* region;
  const char* refuted_by;
  const char* effect_unit;
  TestSet set;
  Assessment (*assess)(const StudyView&);
};

/// T1 to T10, in order.
[[nodiscard]] std::span<const Prediction> predictions();

/// Supported: adjusted p < alpha and the effect in the claimed region. Refuted: the 90% interval lies wholly
/// outside it, and p_against, where defined, is below alpha. Moot: too few models have selected boundaries.
/// Undecided otherwise, whenever something is missing, and whenever the smallest attainable p is not below
/// alpha. p is adjusted by Holm's method within within_model and between_model, over those that can be
/// decided.
[[nodiscard]] std::vector<Verdict> settle_verdicts(std::span<const Prediction> registry,
                                                   const std::vector<Assessment>& assessments, double alpha);

/// Both for every registered prediction.
[[nodiscard]] std::vector<Verdict> judge(const StudyView& view);

}  // namespace strata
