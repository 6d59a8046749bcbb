// What a text file holds, by its content.
#pragma once

#include <string>
#include <string_view>

namespace strata {

enum class ContentKind { text, json, npy };

/// How to read what is given: "auto" (by content), "text" (as it is) or "json".
enum class TextFormat { automatic, text, json };
/// Throws Error(usage) naming the option text_format.
[[nodiscard]] TextFormat parse_text_format(const std::string& name);

/// `head`: the first bytes, up to 64 KiB; `extension` in lower case with its dot. JSON is told by its first
/// values, everything else by magic numbers. Throws Error(bad_file) for what strata does not read, naming it
/// and saying how to convert it.
[[nodiscard]] ContentKind recognise(std::string_view head, std::string_view extension, TextFormat format,
                                    const std::string& where);

/// Throws Error(bad_file) unless `text`, which begins `offset_bytes` into the file, is UTF-8 without zero
/// bytes; names the encoding where the bytes tell it. With TextFormat::text zero bytes are text.
void require_utf8(std::string_view text, std::size_t offset_bytes, TextFormat format,
                  const std::string& where);

}  // namespace strata
