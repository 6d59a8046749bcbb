// A study for a person in a terminal.
#pragma once

#include <string>

#include "strata/record/study.h"

namespace strata {

/// Members, family figures, figures of the paper beside ours, and every verdict with its reason.
[[nodiscard]] std::string study_text(const Study& study);

}  // namespace strata
