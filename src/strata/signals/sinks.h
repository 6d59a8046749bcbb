// Sink tokens: position 0 of each window, and tokens with massive activations. They are a control:
// every headline number is given with and without them.
#pragma once

#include <span>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/signals/signal.h"
#include "strata/signals/sink_paths.h"

namespace strata {

/// A token is massive where its RMS exceeds this many times its document's median token RMS at that state. A
/// ratio of lengths does not depend on the basis, nor on the width.
inline constexpr double kMassiveRatio = 10.0;
/// Thresholds at which Trace::mask_counts says how many tokens the mask would hold.
inline constexpr double kMaskRatios[] = {4.0, kMassiveRatio, 50.0};

/// Follows the RMS and the largest component of every token through the states. A token that is massive at
/// any state is massive at every depth; that is known only after the last state, so `known` grows.
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

  /// Adds max_activation, sink_rate, the list of massive tokens, what other thresholds would mask, and how
  /// large massive tokens are at every state to the record.
  void finish(Trace& trace) const;
  [[nodiscard]] static std::uint64_t memory_bytes(const SweepContext& context);
  /// Saves what it has seen up to an end_state, or takes it up.
  void persist(Archive& archive);

 private:
  struct WindowSizes;
  [[nodiscard]] WindowSizes sizes_of(std::size_t window) const;
  [[nodiscard]] static SinkToken judge(const WindowSizes& sizes, std::size_t at);
  [[nodiscard]] TokenPath path_of(const WindowSizes& sizes, std::size_t at) const;
  void add_window(const WindowSizes& sizes, std::size_t window, Series& largest_ordinary, Series& largest_all,
                  Series& rate) const;
  // (states, tokens of the window)
  void read_window(const StateStore& store, std::size_t window, Matrix& out) const;
  const SweepContext& context_;
  std::int64_t tokens_;
  StateStore largest_;          // slot = state: (tokens)
  StateStore dimension_;        // likewise: where it is; a float holds any dimension exactly
  StateStore rms_;              // likewise
  std::vector<double> median_;  // (states, documents) of the tokens' RMS
  std::vector<TokenClass> classes_;
  std::vector<int> latest_onset_;
};

}  // namespace strata
