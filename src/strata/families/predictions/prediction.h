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

  /// Of the main text, with two boundaries.
  [[nodiscard]] std::vector<const Evidence*> family(const std::string& name) const;
};

/// What one prediction finds; outcome and adjusted p follow when all are known (settle_verdicts).
struct Assessment {
  double effect = kUndefined;
  Interval interval_90 = kNoInterval;
  Interval claimed_region = kNoInterval;  ///< an open end is NaN
  double p_value = kUndefined;
  double smallest_p = kUndefined;
  int models = 0;
  int models_needed = 0;
  int runs = 0, forced_runs = 0;  ///< whose splits the assessment uses, and of them forced ones
  std::string tag;
  std::string found;    ///< one or two sentences of what was found; empty = nothing
  std::string missing;  ///< why it cannot be decided whatever the numbers are; empty = it can
  std::string against;  ///< why it is not supported whatever p is; empty = nothing
  std::vector<Quantity> quantities;

  void count_forced(const Evidence& evidence) {
    ++runs;
    forced_runs += evidence.forced ? 1 : 0;
  }
};

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
/// outside it. Undecided otherwise, whenever something is missing, and whenever the smallest attainable p is
/// not below alpha. p is adjusted by Holm's method within within_model and between_model.
[[nodiscard]] std::vector<Verdict> settle_verdicts(std::span<const Prediction> registry,
                                                   const std::vector<Assessment>& assessments, double alpha);

/// Both for every registered prediction.
[[nodiscard]] std::vector<Verdict> judge(const StudyView& view);

}  // namespace strata
