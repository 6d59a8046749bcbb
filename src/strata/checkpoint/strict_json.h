// JSON from files nobody vouches for: bounded nesting, no repeated keys, errors in one line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace strata {

/// Deeper documents are refused before they are parsed; real checkpoints nest four levels.
inline constexpr int kMaxJsonDepth = 32;

/// Parses an object. Throws Error(bad_file) naming `where` for anything that is not a JSON object,
/// nests deeper than kMaxJsonDepth, or repeats a key within an object (which value counts would be a
/// guess).
[[nodiscard]] nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

/// A name from a file made fit for a one-line message: control characters replaced, long names cut.
[[nodiscard]] std::string printable(std::string_view name);

}  // namespace strata
