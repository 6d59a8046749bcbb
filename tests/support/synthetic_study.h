// A whole invented study, for tests of its files and of its report. Deterministic; no number in it was
// measured on anything.
#pragma once

#include "strata/record/study.h"

namespace strata::test {

/// Two families of four models on one text, one of the models on a second text without boundaries, every
/// table filled, ten verdicts of all four outcomes, and some undefined values.
[[nodiscard]] Study synthetic_study();

}  // namespace strata::test
