// What the detectors say, in sentences.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// The headline with the rule that decides, the places, the segments, what changes at each edge, whether the
/// two detectors agree, odd blocks, the forced split, and networks with random weights. At least one
/// sentence.
[[nodiscard]] std::vector<std::string> boundary_sentences(const Trace& trace, const Findings& findings);

/// What earlier detectors say of the same record, in one sentence; empty without any.
[[nodiscard]] std::string reproduction_sentence(const Findings& findings);

}  // namespace strata
