#include "strata/signals/router_entropy.h"

#include <cmath>

#include "strata/model/routing.h"
#include "strata/signals/block_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"router_entropy", "1", Axis::block, Group::control}};

// Of a single expert 0 / 0: undefined.
std::vector<float> entropies(const SweepContext& /*context*/, const BlockView& view) {
  std::vector<float> values;
  if (view.routing == nullptr) return values;
  const std::vector<float>& probability = view.routing->probability;
  const std::size_t experts = probability.size() / static_cast<std::size_t>(view.tokens);
  for (std::size_t first = 0; first < probability.size(); first += experts) {
    double entropy = 0.0;
    for (std::size_t e = first; e < first + experts; ++e) {
      const double p = probability[e];
      if (p > 0.0) entropy -= p * std::log(p);
    }
    values.push_back(static_cast<float>(entropy / std::log(static_cast<double>(experts))));
  }
  return values;
}

const PartSeries kSeries[] = {{kInfo[0], entropies}};

}  // namespace

Signal router_entropy_signal() {
  return {
      .series = kInfo,
      .needs_attention = false,
      .needs_routing = true,
      .is_of = has_experts,
      .make = [](const SweepContext& context) { return part_accumulator(context, kMixturePart, kSeries); },
      .memory_bytes = per_token_bytes};
}

}  // namespace strata
