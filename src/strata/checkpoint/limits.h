// Largest dimensions a config may state: far above any published model, low enough that no product of
// them overflows 64 bits.
#pragma once

#include <cstdint>

namespace strata {

inline constexpr std::int64_t kMaxLayers = 1 << 12;
inline constexpr std::int64_t kMaxWidth = 1 << 20;
inline constexpr std::int64_t kMaxFfn = 1 << 22;
inline constexpr std::int64_t kMaxHeads = 1 << 13;
inline constexpr std::int64_t kMaxExperts = 1 << 14;
inline constexpr std::int64_t kMaxKernel = 1 << 8;
inline constexpr std::int64_t kMaxVocab = 1 << 26;
inline constexpr std::int64_t kMaxContext = std::int64_t{1} << 40;

}  // namespace strata
