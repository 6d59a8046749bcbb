// Numbers as people type them. One spelling each, so that nothing is read as another number than was meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace strata {

/// "0", "42": decimal digits alone. Nothing for a sign, a space, an exponent, "0x10", "010" (octal elsewhere)
/// and what does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_whole(std::string_view text);

/// "0.5", "-3", "1e-4": digits on both sides of a point, an exponent if wanted. Nothing for a leading '+' or
/// zero, a space, "nan", "inf", hexadecimal digits and what a double cannot hold.
[[nodiscard]] std::optional<double> parse_decimal(std::string_view text);

}  // namespace strata
