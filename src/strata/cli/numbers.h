// Numbers on the command line: counts, sizes with a unit, lists of layers. Each throws Error(usage) naming
// the flag.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strata {

/// "42": a whole number within [least, most], in decimal digits alone (base/numbers.h).
[[nodiscard]] std::uint64_t parse_count(const std::string& text, std::uint64_t least, std::uint64_t most,
                                        const std::string& flag);

/// "12,28": such numbers between commas, none of them empty.
[[nodiscard]] std::vector<std::uint64_t> parse_counts(const std::string& text, std::uint64_t least,
                                                      std::uint64_t most, const std::string& flag);

/// "0.01", "1e-4": a finite number within [least, most].
[[nodiscard]] double parse_real(const std::string& text, double least, double most, const std::string& flag);

/// "8G", "512M", "1.5GiB", "100B", "1073741824": bytes, units of 1024. A number without a unit below 1 MiB is
/// refused: whoever writes 8 means 8G.
[[nodiscard]] std::uint64_t parse_size(const std::string& text, const std::string& flag);

/// "3,7,10-14": numbers and inclusive ranges within [0, last]. Sorted, without repeats.
[[nodiscard]] std::vector<int> parse_layers(const std::string& text, int last, const std::string& flag);

}  // namespace strata
