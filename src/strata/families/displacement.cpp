#include "strata/families/displacement.h"

#include <algorithm>
#include <cmath>

namespace strata {
namespace {

// Draws an edge from the resamples, minus the estimate; 0 without resamples.
double location_draw(const Split& split, std::size_t boundary, Philox& rng) {
  if (boundary >= split.shares.size() || split.shares[boundary].empty()) return 0.0;
  const auto& shares = split.shares[boundary];
  double total = 0.0;
  for (const double s : shares) total += s;
  double left = rng.uniform() * total;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    left -= shares[i];
    if (left <= 0.0) return static_cast<double>(i + 1) - split.edges[boundary];
  }
  return 0.0;
}

// Errors of one pair at one boundary, in blocks: what the locations' resamples make, along the direction of
// the true shift, and the phase that says which way the grid of edges rounds that shift.
struct PositionError {
  double location = 0.0, phase = 0.0;
};
using Draw = std::vector<PositionError>;

std::vector<Draw> simulate(const std::vector<SplitPair>& pairs, int draws, const StreamKey& key) {
  std::vector<Draw> out(static_cast<std::size_t>(draws));
  for (std::size_t i = 0; i < out.size(); ++i) {
    StreamKey own = key;
    own.d = static_cast<std::uint32_t>(i);
    Philox rng(own);
    for (const SplitPair& pair : pairs) {
      for (std::size_t b = 0; b < 2; ++b) {
        const double apart = location_draw(*pair.first, b, rng) - location_draw(*pair.second, b, rng);
        const double sign = rng.below(2) == 0 ? -1.0 : 1.0;
        out[i].push_back({sign * apart, rng.uniform()});
      }
    }
  }
  return out;
}

// What the mean distance would be in each draw if the true distance were r everywhere.
std::vector<double> means_at(const std::vector<Draw>& draws, const std::vector<SplitPair>& pairs,
                             const std::vector<double>& weights, double r) {
  std::vector<double> out;
  for (const Draw& errors : draws) {
    double mean = 0.0;
    for (std::size_t i = 0; i < errors.size(); ++i) {
      const double blocks = pairs[i / 2].n_layers;
      mean +=
          weights[i / 2] * std::fabs(std::floor(r * blocks + errors[i].phase) + errors[i].location) / blocks;
    }
    out.push_back(mean);
  }
  return out;
}

}  // namespace

Displacement estimate_displacement(const std::vector<SplitPair>& pairs, double margin, int draws,
                                   const StreamKey& key) {
  Displacement result;
  if (pairs.empty()) return result;
  double total = 0.0;
  for (const SplitPair& pair : pairs) total += 2.0 * pair.weight;
  std::vector<double> weights;  // of one boundary of each pair; they add up to 1 over all boundaries
  for (const SplitPair& pair : pairs) weights.push_back(pair.weight / total);
  result.mean = 0.0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    for (std::size_t b = 0; b < 2; ++b) {
      const int apart = std::abs(pairs[i].first->edges[b] - pairs[i].second->edges[b]);
      result.mean += weights[i] * apart / pairs[i].n_layers;
    }
  }
  const auto simulated = simulate(pairs, draws, key);
  // Share of draws up to the observed mean, or below it; both fall with r.
  const auto share = [&](double r, bool equal_too) {
    const double limit = result.mean + (equal_too ? 1e-9 : -1e-9);
    const auto means = means_at(simulated, pairs, weights, r);
    const auto count = std::count_if(means.begin(), means.end(), [&](double x) { return x <= limit; });
    return (1.0 + static_cast<double>(count)) / (1.0 + static_cast<double>(draws));
  };
  const auto crossing = [&](double level, bool equal_too) {
    if (share(0.0, equal_too) < level) return 0.0;
    double low = 0.0, high = 2.0;
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (low + high);
      (share(middle, equal_too) < level ? high : low) = middle;
    }
    return 0.5 * (low + high);
  };
  result.interval_90 = {std::min(crossing(0.95, false), result.mean),
                        std::max(crossing(0.05, true), result.mean)};
  result.p_below_margin = share(margin, true);
  return result;
}

double same_place_margin(const std::vector<SplitPair>& pairs) {
  constexpr double kMargin = 0.05;
  double one_block = 0.0;
  for (const SplitPair& pair : pairs) one_block += 1.0 / pair.n_layers / static_cast<double>(pairs.size());
  return std::max(kMargin, one_block);
}

}  // namespace strata
