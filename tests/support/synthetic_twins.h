// An invented comparison of two twins, for tests of its files and of its report. No number in it was
// measured.
#pragma once

#include "strata/record/divergence.h"

namespace strata::test {

/// Eight blocks, damage from block 3 on, three documents; `identical` = not a bit differs.
[[nodiscard]] DivergenceRecord synthetic_twins(bool identical);

}  // namespace strata::test
