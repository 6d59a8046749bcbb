// UTF-8: where a text stops being valid, and the alphabet that byte-level tokenizers spell bytes in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace strata {

/// Byte offset of the first sequence that is not valid UTF-8 (RFC 3629: no surrogates, no overlong
/// forms, nothing above U+10FFFF), or nothing when all of `text` is valid.
[[nodiscard]] std::optional<std::size_t> invalid_utf8_offset(std::string_view text);

/// Appends the UTF-8 form of `code_point` (a Unicode scalar value) to `out`.
void append_utf8(std::string& out, char32_t code_point);

/// Decodes the code point at `text[position]` of valid UTF-8 and moves `position` past it.
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& position);

/// The printable character that byte-level BPE writes for a byte (GPT-2's bytes_to_unicode).
[[nodiscard]] char32_t byte_level_character(unsigned char byte);

/// The bytes that a vocabulary entry spells in that alphabet; nothing when it uses another character.
[[nodiscard]] std::optional<std::string> byte_level_bytes(std::string_view token);

/// `text` in double quotes with everything unprintable escaped, cut to a length fit for a message.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace strata
