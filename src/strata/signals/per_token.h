// Signals that are one number per token and place, folded over the tokens of a document.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

enum class Fold { mean, median, max };

/// Value of one token from its state (h_out null) or from the input and output of a block. NaN where
/// it is undefined; such tokens are left out of the fold.
using TokenValue = std::function<double(const float* h_in, const float* h_out, std::int64_t width)>;

/// The accumulator of a per-token signal. All token values are kept until the sweep is over, because
/// which tokens are sinks is known only then.
[[nodiscard]] std::unique_ptr<Accumulator> per_token_accumulator(const SweepContext& context,
                                                                 const SeriesInfo& info, Fold fold,
                                                                 TokenValue value);
/// Bytes of memory of one table of all states; 0 where it is spilled.
[[nodiscard]] std::uint64_t per_token_bytes(const SweepContext& context);

/// A (places x tokens) table of floats, kept where SweepContext::place says, and the fold that turns it into
/// a series. What is never written is NaN.
class TokenTable {
 public:
  TokenTable(std::int64_t places, const SweepContext& context);
  /// Values of the tokens of one window; windows of one place may be written together.
  void write(int place, std::int64_t first_token, std::span<const float> values);
  /// All tokens of one place.
  [[nodiscard]] std::vector<float> row(int place) const;
  void persist(Archive& archive) { archive(store_); }

 private:
  StateStore store_;  // slot = place
};
[[nodiscard]] Series fold_table(const TokenTable& table, const FinishContext& context, const SeriesInfo& info,
                                TokenSet tokens, Fold fold);

}  // namespace strata
