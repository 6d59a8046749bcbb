// Flags that are more than a number: sizes with a unit, lists of layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strata {

/// "8G", "512M", "1.5GiB", "1073741824": bytes, units of 1024. Throws Error(usage) naming `flag`.
[[nodiscard]] std::uint64_t parse_size(const std::string& text, const std::string& flag);

/// "3,7,10-14": numbers and inclusive ranges within [0, last]. Sorted, without repeats. Throws Error(usage).
[[nodiscard]] std::vector<int> parse_layers(const std::string& text, int last, const std::string& flag);

}  // namespace strata
