#include "tests/signals/world.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"

namespace strata::test {
namespace {

struct Pass {
  const World& world;
  const SweepContext& context;
  std::vector<std::unique_ptr<Accumulator>> accumulators{};

  [[nodiscard]] const float* rows(int state, std::size_t window) const {
    return world.states[static_cast<std::size_t>(state)].data() +
           context.first_token[window] * world.config.hidden;
  }

  // The window's part.
  [[nodiscard]] Routing routing_of(int block, std::size_t window) const {
    Routing part;
    if (world.routing.empty()) return part;
    const Routing& all = world.routing[static_cast<std::size_t>(block)];
    if (all.chosen.empty()) return part;
    const std::int64_t first = context.first_token[window], end = context.first_token[window + 1];
    const auto cut = [&](const auto& from, auto& to) {
      const std::int64_t each = std::ssize(from) / context.token_count();
      to.assign(from.begin() + first * each, from.begin() + end * each);
    };
    cut(all.probability, part.probability);
    cut(all.chosen, part.chosen);
    cut(all.weight, part.weight);
    return part;
  }

  [[nodiscard]] const float* directions_of(int block, std::size_t window) const {
    const auto& all = world.directions[static_cast<std::size_t>(block)];
    return all.empty() ? nullptr : all.data() + context.first_token[window] * world.config.hidden;
  }

  void show_block(int block, std::size_t window) const {
    const auto n = static_cast<std::size_t>(context.tokens_in(window));
    AttentionView attention;
    if (!world.attention.empty()) {
      const auto& sums = world.attention[static_cast<std::size_t>(block)];
      const auto part = [&](std::size_t i) {
        return std::span(sums[i]).subspan(static_cast<std::size_t>(context.first_token[window]), n);
      };
      attention = {part(0), part(1), part(2), part(3)};
      if (!world.window_edge.empty()) {
        attention.window_edge = std::span(world.window_edge[static_cast<std::size_t>(block)])
                                    .subspan(static_cast<std::size_t>(context.first_token[window]), n);
      }
    }
    const Routing routing = routing_of(block, window);
    std::array<std::vector<double>, 3> copy;
    DeltaSums delta;
    if (!world.delta.empty()) {
      const auto first = context.first_token[window];
      for (std::size_t i = 0; i < copy.size(); ++i) {
        const auto& all = world.delta[static_cast<std::size_t>(block)][i];
        copy[i].assign(all.begin() + first, all.begin() + first + context.tokens_in(window));
      }
      delta = {.strength = copy[0], .memory = copy[1], .surprise = copy[2]};
    }
    const BlockView view{
        .block = block,
        .window = window,
        .h_in = rows(block, window),
        .h_out = rows(block + 1, window),
        .tokens = context.tokens_in(window),
        .attention = world.attention.empty() ? nullptr : &attention,
        .routing = routing.chosen.empty() ? nullptr : &routing,
        .delta = world.delta.empty() ? nullptr : &delta,
        .expert_directions = world.directions.empty() ? nullptr : directions_of(block, window)};
    for (const auto& accumulator : accumulators) accumulator->observe_block(view);
  }

  void show_state(int state, std::size_t window, SinkTracker& tracker) const {
    const StateView view{
        .state = state, .window = window, .h = rows(state, window), .tokens = context.tokens_in(window)};
    tracker.observe_state(view);
    for (const auto& accumulator : accumulators) accumulator->observe_state(view);
  }
};

}  // namespace

World::World(int layers, int hidden, const std::vector<std::vector<int>>& windows) {
  config.n_layers = layers;
  config.hidden = hidden;
  config.heads = 2;
  config.norm_eps = 1e-5;
  std::int64_t tokens = 0;
  for (std::size_t d = 0; d < windows.size(); ++d) {
    corpus.documents.push_back({.name = "document " + std::to_string(d)});
    for (std::size_t w = 0; w < windows[d].size(); ++w) {
      Window window{.document = static_cast<int>(d), .index = static_cast<int>(w)};
      for (int t = 0; t < windows[d][w]; ++t) window.ids.push_back(static_cast<std::int32_t>(tokens++));
      corpus.windows.push_back(std::move(window));
    }
  }
  states.assign(static_cast<std::size_t>(layers) + 1,
                std::vector<float>(static_cast<std::size_t>(tokens * hidden), 1.0f));
}

std::span<float> World::row(int state, std::int64_t token) {
  return std::span(states[static_cast<std::size_t>(state)])
      .subspan(static_cast<std::size_t>(token * config.hidden), static_cast<std::size_t>(config.hidden));
}

std::span<const float> World::row(int state, std::int64_t token) const {
  return std::span(states[static_cast<std::size_t>(state)])
      .subspan(static_cast<std::size_t>(token * config.hidden), static_cast<std::size_t>(config.hidden));
}

void World::set(int state, std::int64_t token, const std::vector<float>& values) {
  std::copy(values.begin(), values.end(), row(state, token).begin());
}

void World::fill_normal(std::uint64_t seed) {
  for (std::size_t s = 0; s < states.size(); ++s) {
    Philox rng({.seed = seed, .stream = Stream::test, .a = static_cast<std::uint32_t>(s)});
    rng.fill_normal(states[s]);
  }
}

Trace drive(const World& world, const SweepContext& context, std::span<const Signal> signals,
            SinkTracker& tracker, const HeadWeights& head, std::vector<std::size_t> order) {
  if (order.empty()) {
    order.resize(world.corpus.windows.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  std::vector<const Signal*> wanted;
  for (const Signal& signal : signals) wanted.push_back(&signal);
  SweepContext with_rows = context;
  Pass pass{.world = world, .context = with_rows, .accumulators = make_accumulators(wanted, with_rows)};
  for (int state = 0; state <= world.config.n_layers; ++state) {
    parallel_for(order.size(), context.threads, [&](std::size_t i) {
      if (state > 0) pass.show_block(state - 1, order[i]);
      pass.show_state(state, order[i], tracker);
    });
    tracker.end_state(state);
    for (const auto& accumulator : pass.accumulators) accumulator->end_state(state);
  }
  Trace trace;
  for (const auto& accumulator : pass.accumulators) {
    accumulator->finish({.sweep = with_rows, .classes = tracker.classes(), .head = head, .trace = trace});
  }
  tracker.finish(trace);
  return trace;
}

Trace drive(const World& world, const SweepContext& context, const Signal& signal, const HeadWeights& head) {
  SinkTracker tracker(context);
  return drive(world, context, std::span(&signal, 1), tracker, head);
}

const Series& series(const Trace& trace, std::string_view id, TokenSet tokens) {
  const Series* found = find_series(trace, id, tokens);
  if (found == nullptr) throw std::logic_error("no series " + std::string(id));
  return *found;
}

}  // namespace strata::test
