// The findings in plain sentences, for the terminal and the top of the report.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// Whole sentences, most important first; `findings.sentences` is not read. What was not measured is
/// said to be undefined, with the reason from the record where there is one. The numbering of blocks is
/// explained once, in the second sentence.
[[nodiscard]] std::vector<std::string> headline_sentences(const Trace& trace, const Findings& findings);

/// Those of them about segments and states that a perturbation breaks.
[[nodiscard]] std::vector<std::string> brittleness_sentences(const Trace& trace, const Findings& findings);

}  // namespace strata
