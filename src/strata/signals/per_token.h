// Signals that are one number per token and place, folded over the tokens of a document.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

enum class Fold { mean, median, max };

/// Value of one token from its state (h_out null) or from the input and output of a block. NaN where
/// it is undefined; such tokens are left out of the fold.
using TokenValue = double (*)(const float* h_in, const float* h_out, std::int64_t width);

/// The accumulator of a per-token signal. All token values are kept until the sweep is over, because
/// which tokens are sinks is known only then.
[[nodiscard]] std::unique_ptr<Accumulator> per_token_accumulator(const SweepContext& context,
                                                                 const SeriesInfo& info, Fold fold,
                                                                 TokenValue value);
[[nodiscard]] std::uint64_t per_token_bytes(const SweepContext& context);

/// A (places x tokens) table of floats, and the fold that turns it into a series.
struct TokenTable {
  std::int64_t tokens = 0;
  std::vector<float> value;

  TokenTable(std::int64_t places, std::int64_t n);
  float& at(int place, std::int64_t token) { return value[static_cast<std::size_t>(place * tokens + token)]; }
  [[nodiscard]] const float* row(int place) const { return value.data() + place * tokens; }
};
[[nodiscard]] Series fold_table(const TokenTable& table, const FinishContext& context, const SeriesInfo& info,
                                TokenSet tokens, Fold fold);

}  // namespace strata
