#include "strata/theory/gradual_changes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>

#include "strata/segmentation/roughness.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kOfRange = 0.8, kHalf = 0.5;
constexpr std::size_t kEnd = 3;      // blocks whose median is an end of the way
constexpr std::size_t kFewest = 8;   // blocks between start-up and the last one
constexpr std::size_t kShareOf = 6;  // of the blocks: how few make half of the way

// Mean over documents after each block.
std::vector<double> by_block(const Series& series, std::size_t blocks) {
  const std::size_t shift = series.axis == Axis::state ? 1 : 0;
  std::vector<double> values;
  if (series.axis == Axis::edge || series.by_doc.cols != blocks + shift) return values;
  for (std::size_t l = 0; l < blocks; ++l) {
    if (!series.joint.empty()) {
      values.push_back(l + shift < series.joint.size() ? series.joint[l + shift] : std::nan(""));
      continue;
    }
    double sum = 0.0, weight = 0.0;
    for (std::size_t d = 0; d < series.by_doc.rows; ++d) {
      const double x = series.by_doc(d, l + shift), w = series.weight[d];
      if (!std::isfinite(x) || !(w > 0.0)) continue;
      sum += w * x;
      weight += w;
    }
    values.push_back(sum / weight);
  }
  return values;
}

std::optional<GradualChange> change_of(const Series& series, std::size_t blocks) {
  const auto values = by_block(series, blocks);
  const auto begin = static_cast<std::size_t>(startup_blocks(static_cast<int>(blocks)));
  if (values.size() != blocks || blocks < begin + 1 + kFewest) return {};
  const std::vector<double> y(values.begin() + static_cast<std::ptrdiff_t>(begin) - 1, values.end() - 1);
  if (!std::all_of(y.begin(), y.end(), [](double x) { return std::isfinite(x); })) return {};
  GradualChange change{.signal = series.id, .unit = series.unit, .group = series.group};
  change.before = stats::median({y.begin(), y.begin() + kEnd});
  change.after = stats::median({y.end() - kEnd, y.end()});
  const double way = change.after - change.before;
  if (!(std::abs(way) >= kOfRange * (stats::quantile(y, 0.9) - stats::quantile(y, 0.1))) || way == 0.0)
    return {};
  const std::size_t most = std::max<std::size_t>(1, (y.size() - 1) / kShareOf);
  for (std::size_t width = 1; width <= most; ++width) {
    std::size_t best = 0;
    double largest = 0.0;
    for (std::size_t i = 0; i + width < y.size(); ++i) {
      const double share = (y[i + width] - y[i]) / way;
      if (share <= largest) continue;
      largest = share;
      best = i;
    }
    if (largest < kHalf) continue;
    change.first = static_cast<int>(begin + best);
    change.last = static_cast<int>(begin + best + width - 1);
    return change;
  }
  return {};
}

}  // namespace

std::vector<GradualChange> gradual_changes(const Trace& trace) {
  std::vector<GradualChange> changes;
  for (const Series& series : trace.series) {
    if (series.tokens != TokenSet::ordinary || series.group == Group::control) continue;
    const auto change = change_of(series, static_cast<std::size_t>(trace.n_layers()));
    if (!change) continue;
    const auto same = std::find_if(changes.begin(), changes.end(),
                                   [&](const GradualChange& c) { return c.group == change->group; });
    if (same == changes.end()) {
      changes.push_back(*change);
    } else if (change->last - change->first < same->last - same->first) {
      *same = *change;
    }
  }
  return changes;
}

}  // namespace strata
