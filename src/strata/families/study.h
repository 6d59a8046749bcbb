// From runs to a study: evidence, family statistics, verdicts, and the whole in words.
#pragma once

#include <string>
#include <vector>

#include "strata/families/evidence.h"
#include "strata/record/study.h"

namespace strata {

/// A run and what the study says about it.
struct StudyRun {
  std::string model;  ///< unique with `text`
  std::string family;
  std::string text;
  std::string training;  ///< "base", "instruct", or empty
  Run run;
};

/// The family that a card belongs to: "qwen2" and "qwen3" are "qwen", every other family is its own.
[[nodiscard]] std::string family_of_card(const ModelCard& card);

/// Reduces one run. The runs themselves are not needed after that.
struct StudyEntry {
  StudyMember member;
  Evidence evidence;
};
[[nodiscard]] StudyEntry make_entry(const StudyRun& run, const StudyCard& card, int threads);

/// Everything that follows. An empty `card.main_text` becomes the text of the first entry. `expected` gets
/// our figures; throws Error(usage) for a quantity that is not in `expected_quantities`, for a family that no
/// model has, and where a model stands twice on one text.
[[nodiscard]] Study make_study(StudyCard card, const std::vector<StudyEntry>& entries,
                               std::vector<ExpectedFigure> expected);

/// "boundary_cv", "boundary_sd", "local_brittleness_ratio".
[[nodiscard]] const std::vector<std::string>& expected_quantities();

}  // namespace strata
