// A signal of one's own, registered from outside the library: one number for each token.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace strata {

struct TokenSignal {
  std::string id;  ///< in the record; lower case and underscores
  std::string unit = "1";
  bool of_blocks = false;  ///< one value for each block instead of each state
  /// Of one token: its residual stream (hidden values, float32), and where it is `of_blocks` the one before
  /// the block and the one behind it; `h_out` is empty else. NaN where it is undefined: such tokens are left
  /// out. Called from several threads at once.
  std::function<double(std::span<const float> h, std::span<const float> h_out)> value;
};

/// Measures it in every run from now on that asks for its id or for all signals: the mean over the tokens of
/// each document, ordinary tokens and all. It is a control: no boundary is looked for in it. Throws
/// Error(usage) for an id that is there already or no id at all.
void add_token_signal(TokenSignal signal);

}  // namespace strata
