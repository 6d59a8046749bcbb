// Where JSON values begin and end, without parsing them: for files that are read one value at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace strata {

class TextInput;

/// What some editors put in front of UTF-8.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
/// Deeper JSON is refused before it is parsed.
inline constexpr int kMaxJsonDepth = 64;

/// Bytes of the value that `text` begins with (no white space before it); nothing where it does not end in
/// `text`; 0 where no value begins. Brackets and quotes are counted, nothing else is checked.
[[nodiscard]] std::optional<std::size_t> json_value_size(std::string_view text);

/// Whether all of `text` is one valid JSON value.
[[nodiscard]] bool is_json(std::string_view text);

/// Whether `text` begins like an object of JSON: a brace, then a quoted key and a colon, or the end.
[[nodiscard]] bool is_json_object_start(std::string_view text);

/// A value of a file, and where it stands.
struct JsonPlace {
  std::size_t line = 0;       ///< from 1
  std::size_t element = 0;    ///< from 1, of a list at the top; 0 where there is none
  std::size_t top_value = 0;  ///< from 1: which value of the file it is, or is an element of
  std::size_t offset_bytes = 0;
};

/// Calls `value` for every value at the top of a file (lines or not), and for every element of a list that
/// stands there. Values of more than `limit_bytes`: Error(out_of_memory). A value that does not end is given
/// as it is.
void for_each_json_value(TextInput& input, std::uint64_t limit_bytes,
                         const std::function<void(std::string_view text, const JsonPlace& place)>& value);

}  // namespace strata
