// What attention_distance and attention_entropy share: one value per query, averaged over heads, from
// queries at position 64 of their window or later.
#pragma once

#include <memory>

#include "strata/signals/signal.h"

namespace strata {

/// Queries before this position see too few keys for distance and entropy to be comparable.
inline constexpr std::int64_t kFirstQuery = 64;

/// Which sums of an AttentionView an attention signal takes.
struct AttentionSource {
  std::span<const double> AttentionView::*all;
  std::span<const double> AttentionView::*reduced;
};

/// Series `ordinary`: queries of ordinary tokens, sink columns removed and rows renormalised. Series
/// `all`: every query, every column.
[[nodiscard]] std::unique_ptr<Accumulator> attention_accumulator(const SweepContext& context,
                                                                 const SeriesInfo& info,
                                                                 const AttentionSource& source);
[[nodiscard]] std::uint64_t attention_bytes(const SweepContext& context);

}  // namespace strata
