// What an edge says, in one sentence.
#pragma once

#include <string>
#include <string_view>

#include "strata/record/findings.h"

namespace strata {

/// What a rise and a fall of one signal mean, and what its numbers are called.
struct SignalWords {
  std::string_view id, number, up, down;
};

/// Words for a signal; for one without words of its own its id, "rises", "falls".
[[nodiscard]] SignalWords words_of(std::string_view id);

/// A number with two digits, "0.60".
[[nodiscard]] std::string show_value(double value);
/// Two numbers to compare, "0.99 to 1.19": the same decimals where they are of like size.
[[nodiscard]] std::string show_pair(double before, double after);

/// "Edge 16: attention becomes more local (distance 0.99 to 0.60) and ...; attention carries it, p = 0.001."
/// The largest changes of up to three groups; what the states do where they decided.
[[nodiscard]] std::string edge_sentence(const EdgeChange& change, const EdgeEstimate& estimate);

}  // namespace strata
