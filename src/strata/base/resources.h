// What the machine has, and what this process takes of it.
#pragma once

#include <cstdint>
#include <string>

namespace strata {

/// Memory that the machine could give us now: MemAvailable, or less where a control group limits it. Bytes.
[[nodiscard]] std::uint64_t available_memory_bytes();
/// Seven tenths of it: the memory limit of a run that is given none.
[[nodiscard]] std::uint64_t default_memory_limit_bytes();

/// Peak resident size of this process so far, and its resident size now, in bytes; 0 = not known.
[[nodiscard]] std::uint64_t peak_rss_bytes();
[[nodiscard]] std::uint64_t rss_bytes();

/// "1.2 GiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

}  // namespace strata
