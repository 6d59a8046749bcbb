// Sink tokens: position 0 of each window, and tokens with massive activations. They are a control:
// every headline number is given with and without them.
#pragma once

#include <span>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

/// A token is massive where its largest |h| exceeds this many times its document's median token maximum.
inline constexpr double kMassiveRatio = 50.0;

/// Follows the largest component of every token through the states. A token that is massive at any
/// state is massive at every depth; that is known only after the last state, so `known` grows.
class SinkTracker {
 public:
  explicit SinkTracker(const SweepContext& context);

  void observe_state(const StateView& view);
  /// Updates the classes with what state `state` showed. Call after every window of it was observed.
  void end_state(int state);

  /// Class of every token, as far as it is known.
  [[nodiscard]] std::span<const TokenClass> classes() const { return classes_; }
  /// Per window: the last state at which one of its tokens became massive for the first time; -1 = none.
  [[nodiscard]] std::span<const int> latest_onset() const { return latest_onset_; }

  /// Adds max_activation, sink_rate and the list of massive tokens to the record.
  void finish(Trace& trace) const;
  [[nodiscard]] static std::uint64_t memory_bytes(const SweepContext& context);

 private:
  [[nodiscard]] float largest(int state, std::int64_t token) const {
    return largest_[static_cast<std::size_t>(state * tokens_ + token)];
  }
  const SweepContext& context_;
  std::int64_t tokens_;
  std::vector<float> largest_;           // (states, tokens)
  std::vector<std::int32_t> dimension_;  // (states, tokens): where it is
  std::vector<double> median_;           // (states, documents)
  std::vector<TokenClass> classes_;
  std::vector<int> latest_onset_;
};

}  // namespace strata
