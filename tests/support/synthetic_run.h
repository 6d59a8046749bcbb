// Whole invented runs, for tests of the record's files and of the report. Deterministic; plausible in
// shape, but no number in them was measured on anything.
#pragma once

#include "strata/record/run_directory.h"

namespace strata::test {

/// Every part of a record filled in, with two boundaries found at about L/4 and 3L/4, 16 documents and
/// some undefined values. `n_layers` at least 8.
[[nodiscard]] Run synthetic_run(int n_layers);

/// The same run with everything undefined that can be: no CKA, no boundaries, no kappa, series of NaN,
/// each with its reason.
[[nodiscard]] Run undefined_run(int n_layers);

/// Three blocks and two documents with round numbers, small enough to write its tables by hand.
[[nodiscard]] Run tiny_run();

}  // namespace strata::test
