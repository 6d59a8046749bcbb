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

// Mean square at true distance r: r^2 + r linear + constant, of one draw of the errors.
struct Draw {
  double linear = 0.0, constant = 0.0;
};

std::vector<Draw> simulate(const std::vector<SplitPair>& pairs, int draws, const StreamKey& key) {
  std::vector<Draw> out(static_cast<std::size_t>(draws));
  const double n = 2.0 * static_cast<double>(pairs.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    StreamKey own = key;
    own.d = static_cast<std::uint32_t>(i);
    Philox rng(own);
    for (const SplitPair& pair : pairs) {
      for (std::size_t b = 0; b < 2; ++b) {
        const double first = location_draw(*pair.first, b, rng) + rng.uniform() - 0.5;
        const double second = location_draw(*pair.second, b, rng) + rng.uniform() - 0.5;
        const double error = (first - second) / pair.n_layers;
        const double sign = rng.below(2) == 0 ? -1.0 : 1.0;
        out[i].linear += 2.0 * sign * error / n;
        out[i].constant += error * error / n;
      }
    }
  }
  return out;
}

// Share of draws whose mean square at distance r is at most `observed`.
double below(const std::vector<Draw>& draws, double r, double observed) {
  std::size_t count = 0;
  for (const Draw& d : draws) count += r * r + r * d.linear + d.constant <= observed ? 1 : 0;
  return (1.0 + static_cast<double>(count)) / (1.0 + static_cast<double>(draws.size()));
}

}  // namespace

Displacement estimate_displacement(const std::vector<SplitPair>& pairs, double margin, int draws,
                                   const StreamKey& key) {
  Displacement result;
  if (pairs.empty()) return result;
  double square = 0.0;
  result.mean = 0.0;
  for (const SplitPair& pair : pairs) {
    for (std::size_t b = 0; b < 2; ++b) {
      const double d = static_cast<double>(pair.first->edges[b] - pair.second->edges[b]) / pair.n_layers;
      result.mean += std::fabs(d) / (2.0 * static_cast<double>(pairs.size()));
      square += d * d / (2.0 * static_cast<double>(pairs.size()));
    }
  }
  const auto simulated = simulate(pairs, draws, key);
  double expected = 0.0;
  for (const Draw& d : simulated) expected += d.constant / static_cast<double>(simulated.size());
  result.rms = std::sqrt(std::max(0.0, square - expected));
  // below() falls with r: the interval is where it lies between 5% and 95%.
  const auto crossing = [&](double level) {
    if (below(simulated, 0.0, square) < level) return 0.0;
    double low = 0.0, high = 2.0;
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (low + high);
      (below(simulated, middle, square) < level ? high : low) = middle;
    }
    return 0.5 * (low + high);
  };
  result.interval_90 = {crossing(0.95), crossing(0.05)};
  result.p_below_margin = below(simulated, margin, square);
  return result;
}

double same_place_margin(const std::vector<SplitPair>& pairs) {
  constexpr double kMargin = 0.05;
  double one_block = 0.0;
  for (const SplitPair& pair : pairs) one_block += 1.0 / pair.n_layers / static_cast<double>(pairs.size());
  return std::max(kMargin, one_block);
}

}  // namespace strata
