// Putting foreign text into a page so that it stays text.
#pragma once

#include <string>
#include <string_view>

namespace strata {

/// `text` as the content of an HTML element.
[[nodiscard]] std::string escape_html(std::string_view text);

/// JSON as the content of a <script> element: '<' becomes its JSON escape, so that no string in it
/// can end the element or open a comment. Parses to the same value.
[[nodiscard]] std::string escape_json_for_script(std::string_view json);

/// `page` with the only occurrence of `marker` replaced. The marker must be there exactly once.
[[nodiscard]] std::string fill_marker(std::string_view page, std::string_view marker,
                                      std::string_view content);

}  // namespace strata
