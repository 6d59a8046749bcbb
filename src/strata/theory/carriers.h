// What a few tokens carry from one block to another, from the record alone: rogue dimensions of ordinary
// tokens, and massive activations. Either looks like a boundary in every series of raw states.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// Of a leading dimension's energy, what few tokens must hold (5% of them, or up to three words); and of the
/// state's energy, what they must hold in it beyond what they would by their number. No state of the models
/// that come with strata has more than 0.36 and 0.03; SmolLM2-135M's " the" 0.5 to 0.75 and 0.16 to 0.36.
inline constexpr double kRogueShare = 0.4;
inline constexpr double kRogueEnergy = 0.05;
/// A block writes a sink where it makes it this many times longer and leaves it massive; it takes one away
/// where it leaves it this many times shorter.
inline constexpr double kWritten = 2.0;
inline constexpr double kRemoved = 1.5;

/// Rogue dimensions in the order of their states, then sinks: position 0 before words. Nothing where the
/// record has neither `carriers` nor `sink_paths`.
[[nodiscard]] std::vector<CarrierEvent> carrier_events(const Trace& trace);

/// One sentence for each event, and one for what other thresholds of the sink mask would hold.
[[nodiscard]] std::vector<std::string> carrier_sentences(const Trace& trace, const Findings& findings);

}  // namespace strata
