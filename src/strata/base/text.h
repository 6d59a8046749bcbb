// Text of unknown origin (names, tokens, paths, command lines) on its way out of the program.
#pragma once

#include <string>
#include <string_view>

namespace strata {

/// `text` with every byte that is no valid UTF-8 (RFC 3629) replaced by U+FFFD. All text enters a record
/// through this function, so that no later step can fail on it.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// Valid UTF-8 in which nothing can move the cursor, change colours or turn the direction of writing: '?' for
/// control characters (C0, DEL, C1, line and paragraph separators), bidirectional marks and invisible
/// format characters. `keep_newlines` is for text of several lines.
[[nodiscard]] std::string for_terminal(std::string_view text, bool keep_newlines = false);

/// A string as a field of a CSV file: quoted where RFC 4180 asks for it. A field that a spreadsheet would
/// take for a formula (it begins with = + - @, a tab or a carriage return) gets an apostrophe in front.
[[nodiscard]] std::string csv_text(std::string_view text);

}  // namespace strata
