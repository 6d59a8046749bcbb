// A sweep without a network: windows whose states the test writes, shown to signals as the sweep would.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "strata/model/delta_rule.h"
#include "strata/model/routing.h"
#include "strata/signals/signal.h"
#include "strata/signals/sinks.h"

namespace strata::test {

/// Not movable: a SweepContext refers to its config and corpus.
struct World {
  /// windows[d] lists the tokens of each window of document d. States are all 1 until they are filled.
  World(int layers, int hidden, const std::vector<std::vector<int>>& windows);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] SweepContext context() const { return make_context(config, corpus); }
  /// The row of global token `token` at `state`.
  [[nodiscard]] std::span<float> row(int state, std::int64_t token);
  [[nodiscard]] std::span<const float> row(int state, std::int64_t token) const;
  void set(int state, std::int64_t token, const std::vector<float>& values);
  void fill_normal(std::uint64_t seed);

  ModelConfig config;
  Corpus corpus;
  std::vector<std::vector<float>> states;  ///< per state: (tokens, hidden)
  /// Per block: sums over heads of every token, as in AttentionView; empty = no attention is shown.
  std::vector<std::array<std::vector<double>, 4>> attention;
  /// Per block: what the router of every token did, (tokens, ...); empty (a block or all) = no mixture is
  /// shown.
  std::vector<Routing> routing;
  /// Per block: (tokens, hidden) as BlockHooks::expert_directions, and window_edge of every token; empty =
  /// none.
  std::vector<std::vector<float>> directions;
  std::vector<std::vector<double>> window_edge;
  /// Per block: strength, memory and surprise of every token; empty = no delta rule is shown.
  std::vector<std::array<std::vector<double>, 3>> delta;
};

/// Shows all of `world` to the signals and to `tracker`, windows in `order` (empty = as they are) on
/// context.threads threads, and returns what they record; the tracker's series come last.
[[nodiscard]] Trace drive(const World& world, const SweepContext& context, std::span<const Signal> signals,
                          SinkTracker& tracker, const HeadWeights& head = {},
                          std::vector<std::size_t> order = {});
[[nodiscard]] Trace drive(const World& world, const SweepContext& context, const Signal& signal,
                          const HeadWeights& head = {});

/// Element of a series that must be there.
[[nodiscard]] const Series& series(const Trace& trace, std::string_view id, TokenSet tokens);

}  // namespace strata::test
