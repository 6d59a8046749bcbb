#include "strata/sweep/substitution.h"

#include <limits>

#include "strata/sweep/lanes.h"

namespace strata {
namespace {

Lane lane_of(const Substitution& what, int n_layers) {
  switch (what.part) {
    case Part::everything:
      return {.fork = 0, .other = {.embedding = true, .head = true, .begin = 0, .end = n_layers}};
    case Part::embedding:
      return {.fork = 0, .other = {.embedding = true}};
    case Part::block:
      return {.fork = what.block, .other = {.begin = what.block, .end = what.block + 1}};
    case Part::head:
      break;
  }
  return {.fork = n_layers, .other = {.head = true}};
}

}  // namespace

std::vector<Substitution> run_substitutions(const LaneEngineInput& input, const Progress& progress) {
  const std::size_t documents = input.context.corpus.documents.size();
  const int n_layers = input.context.config.n_layers;
  const std::vector<double> undefined(documents, std::numeric_limits<double>::quiet_NaN());
  std::vector<Substitution> results;
  const auto add = [&](Part part, int block) {
    results.push_back({.part = part, .block = block, .kl_nats = undefined, .delta_nll_nats = undefined});
  };
  add(Part::everything, -1);
  add(Part::embedding, -1);
  for (int block = 0; block < n_layers; ++block) add(Part::block, block);
  add(Part::head, -1);
  std::vector<Lane> lanes;
  for (const Substitution& what : results) lanes.push_back(lane_of(what, n_layers));
  const auto damage = run_lanes(input, lanes, progress);
  const std::vector<std::int64_t> scored_of = lane_scored(input.context, input.sample);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    for (std::size_t w = 0; w < input.sample.size(); ++w) {
      const auto document =
          static_cast<std::size_t>(input.context.corpus.windows[input.sample[w].window].document);
      const auto scored = static_cast<double>(scored_of[document]);
      const bool first = w == 0 || input.context.corpus.windows[input.sample[w - 1].window].document !=
                                       static_cast<int>(document);
      double &kl = results[i].kl_nats[document], &delta = results[i].delta_nll_nats[document];
      kl = (first ? 0.0 : kl) + damage[i][w].kl / scored;
      delta = (first ? 0.0 : delta) + damage[i][w].delta_nll / scored;
    }
  }
  return results;
}

}  // namespace strata
