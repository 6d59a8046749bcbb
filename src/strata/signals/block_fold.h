// Signals of one number per token that only some blocks have, because they are of a part that the others do
// not have.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/signals/per_token.h"

namespace strata {

/// A part that some blocks have.
struct BlockPart {
  std::string_view name;  ///< "a mixture of experts"
  bool (*is_in)(const BlockDescription&);
  std::string_view no_token{};  ///< documents that have no value there, in words; empty: there are none
};

/// One series of such a part.
struct PartSeries {
  SeriesInfo info;
  /// Values (tokens) of a window in a block, NaN where a token has none; empty where the block has not the
  /// part.
  std::function<std::vector<float>(const SweepContext&, const BlockView&)> values;
};

/// Means over tokens: ordinary ones, and all. `series` must outlive it.
[[nodiscard]] std::unique_ptr<Accumulator> part_accumulator(const SweepContext& context,
                                                            const BlockPart& part,
                                                            std::span<const PartSeries> series);

/// "undefined in blocks without ...", or nothing where every block has it.
[[nodiscard]] std::string missing_part_note(const ModelConfig& config, const BlockPart& part);

[[nodiscard]] bool has_experts(const BlockDescription& block);
inline constexpr BlockPart kMixturePart{"a mixture of experts", has_experts};

}  // namespace strata
