#include "strata/theory/edge_changes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/step_evidence.h"
#include "strata/stats/quantile.h"
#include "strata/theory/edge_words.h"

namespace strata {
namespace {

constexpr std::size_t kReach = 4;  // blocks on each side
constexpr double kRough = 0.9;  // of the whole scale: the roughness is more than twice what does not matter

// The blocks that are compared: [first, edge) and [edge, end).
struct Sides {
  std::size_t first = 0, edge = 0, end = 0;
};

Sides sides_of(int edge, const std::vector<int>& cuts, const Findings& findings, int n_layers) {
  // The first and the last block are unlike the others even where no start-up or read-out is visible.
  int first = std::max(findings.start_up.end, 1);
  int end = findings.read_out.end > findings.read_out.begin ? findings.read_out.begin : n_layers - 1;
  for (const int cut : cuts) {
    if (cut < edge) first = std::max(first, cut);
    if (cut > edge) end = std::min(end, cut);
  }
  const int reach = static_cast<int>(kReach);
  first = std::min(std::max(first, edge - reach), edge - 1);
  end = std::max(std::min(end, edge + reach), edge + 1);
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(edge), static_cast<std::size_t>(end)};
}

double median_between(const std::vector<double>& values, std::size_t first, std::size_t end) {
  std::vector<double> defined;
  for (std::size_t l = first; l < end; ++l) {
    if (std::isfinite(values[l])) defined.push_back(values[l]);
  }
  return defined.empty() ? kUndefinedValue : stats::median(defined);
}

// Theil-Sen: median slope of all pairs; NaN below two blocks.
double slope_between(const std::vector<double>& values, std::size_t first, std::size_t end) {
  std::vector<double> slopes;
  for (std::size_t a = first; a < end; ++a) {
    for (std::size_t b = a + 1; b < end; ++b) {
      const double slope = (values[b] - values[a]) / static_cast<double>(b - a);
      if (std::isfinite(slope)) slopes.push_back(slope);
    }
  }
  return slopes.empty() ? kUndefinedValue : stats::median(slopes);
}

// Least-squares step at the edge under a common slope on both sides.
double step_over_slope(const std::vector<double>& y, const Sides& sides) {
  const auto line = [&](std::size_t first, std::size_t end, double& mean_t, double& mean_y) {
    mean_t = mean_y = 0.0;
    for (std::size_t t = first; t < end; ++t) {
      mean_t += static_cast<double>(t);
      mean_y += y[t];
    }
    mean_t /= static_cast<double>(end - first);
    mean_y /= static_cast<double>(end - first);
  };
  double mean_t[2], mean_y[2], cross = 0.0, square = 0.0;
  line(sides.first, sides.edge, mean_t[0], mean_y[0]);
  line(sides.edge, sides.end, mean_t[1], mean_y[1]);
  for (std::size_t t = sides.first; t < sides.end; ++t) {
    const std::size_t side = t < sides.edge ? 0 : 1;
    const double from = static_cast<double>(t) - mean_t[side];
    cross += from * (y[t] - mean_y[side]);
    square += from * from;
  }
  const double slope = square > 0.0 ? cross / square : 0.0;
  return mean_y[1] - mean_y[0] - slope * (mean_t[1] - mean_t[0]);
}

// A column of the layer series, on its smooth scale and in the signal's unit.
struct Column {
  const Series* series = nullptr;
  bool log = false;
  std::vector<double> smooth, unit;
};

std::vector<Column> columns_of(const Trace& trace, const LayerSeries& layers) {
  std::vector<Column> columns;
  for (std::size_t j = 0; j < layers.used.size(); ++j) {
    Column column{.series = find_series(trace, layers.used[j], TokenSet::ordinary)};
    const auto means = mean_over_documents(*column.series);
    const std::size_t shift = column.series->axis == Axis::state ? 1 : 0;
    for (std::size_t l = 0; l < layers.y.rows; ++l) {
      column.smooth.push_back(layers.y(l, j));
      column.unit.push_back(means[l + shift]);
    }
    // layer_series takes no logarithm of a signal with values below 0.
    const auto largest = static_cast<std::size_t>(
        std::max_element(column.unit.begin() + 1, column.unit.end() - 1) - column.unit.begin());
    column.log = is_log_scale(column.series->id) && column.unit[largest] > 0.0 &&
                 std::abs(column.smooth[largest] - std::log(column.unit[largest])) < 1e-6;
    columns.push_back(std::move(column));
  }
  return columns;
}

Interval step_interval(const Column& column, std::size_t j, const LayerSeries& layers, const Sides& sides) {
  std::vector<double> steps;
  for (const Matrix& deviation : layers.deviations) {
    std::vector<double> values = column.unit;
    for (std::size_t l = sides.first; l < sides.end; ++l) {
      const double x = column.smooth[l] + deviation(l, j);
      values[l] = column.log ? std::exp(x) : x;
    }
    const double step =
        median_between(values, sides.edge, sides.end) - median_between(values, sides.first, sides.edge);
    if (std::isfinite(step)) steps.push_back(step);
  }
  if (steps.empty()) return {kUndefinedValue, kUndefinedValue};
  return {stats::quantile(steps, 0.05), stats::quantile(steps, 0.95)};
}

SignalChange change_of(const Column& column, std::size_t j, const LayerSeries& layers,
                       const StepEvidence& evidence, const Sides& sides) {
  SignalChange change{
      .signal = column.series->id, .unit = column.series->unit, .group = column.series->group};
  change.before = median_between(column.unit, sides.first, sides.edge);
  change.after = median_between(column.unit, sides.edge, sides.end);
  change.step = change.after - change.before;
  change.step_interval_90 = step_interval(column, j, layers, sides);
  change.slope_before = slope_between(column.unit, sides.first, sides.edge);
  change.slope_after = slope_between(column.unit, sides.edge, sides.end);
  change.step_sigmas = evidence.z(sides.edge, j);
  // Changes that do not matter are in the scale and not in the raw one.
  if (evidence.raw_scale[j] > kRough * evidence.scale[j]) {
    // White noise hides a step in one increment: the levels on both sides, and what a slope leaves of it.
    const double levels = median_between(column.smooth, sides.edge, sides.end) -
                          median_between(column.smooth, sides.first, sides.edge);
    const double local = step_over_slope(column.smooth, sides);
    const double size = levels * local > 0.0 ? std::min(std::abs(levels), std::abs(local)) : 0.0;
    change.step_sigmas = std::copysign(size, levels) / evidence.scale[j];
  }
  change.gain = step_gain(change.step_sigmas);
  return change;
}

std::vector<GroupGain> groups_of(const std::vector<SignalChange>& signals) {
  std::map<Group, std::pair<double, double>> sums;
  for (const SignalChange& change : signals) {
    sums[change.group].first += change.gain;
    sums[change.group].second += 1.0;
  }
  std::vector<GroupGain> groups;
  double total = 0.0;
  for (const auto& [group, sum] : sums) {
    groups.push_back({.group = group, .gain = sum.first / sum.second});
    total += groups.back().gain;
  }
  for (GroupGain& group : groups) group.share = total > 0.0 ? group.gain / total : 0.0;
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.gain > b.gain; });
  return groups;
}

// Whether what the jump changes stays: of the gains of the bare increments half is left in lasting ones.
bool stays(const StepEvidence& evidence, const LayerSeries& layers, std::size_t edge) {
  double bare = 0.0, left = 0.0;
  for (std::size_t j = 0; j < layers.weight.size(); ++j) {
    const double z = evidence.residual(edge - 2, j) / evidence.scale[j];
    if (std::abs(z) < kNotableSigmas) continue;
    bare += layers.weight[j] * step_gain(z);
    left += layers.weight[j] * step_gain(evidence.z(edge, j));
  }
  return !(bare > 0.0) || left >= 0.5 * bare;
}

void add_states(const Trace& trace, EdgeChange& change) {
  const CkaRecord* cka = find_cka(trace, TokenSet::ordinary);
  const int layers = trace.n_layers();
  if (cka == nullptr || !cka_problem(*cka, layers).empty()) return;
  const auto jump = [&](int edge) {
    return 1.0 - cka->value(static_cast<std::size_t>(edge), static_cast<std::size_t>(edge) + 1);
  };
  std::vector<double> others;
  const int reach = static_cast<int>(kReach);
  for (int e = std::max(2, change.edge - reach); e <= std::min(layers - 2, change.edge + reach); ++e) {
    if (e != change.edge) others.push_back(jump(e));
  }
  change.state_jump = jump(change.edge);
  if (!others.empty()) change.state_usual = stats::median(others);
}

std::string found_with_sinks(const Findings& findings, int edge) {
  for (const Detection& d : findings.detections) {
    if (d.role != DetectorRole::rule || d.tokens != TokenSet::all || !d.defined) continue;
    const bool found = std::any_of(d.boundaries.begin(), d.boundaries.end(), [&](const EdgeEstimate& e) {
      return std::abs(e.edge - edge) <= kSamePlace;
    });
    return found ? "yes" : "no";
  }
  return {};
}

}  // namespace

std::vector<EdgeChange> edge_changes(const Trace& trace, const Findings& findings,
                                     const SegmentationOptions& options) {
  std::vector<EdgeChange> changes;
  if (findings.headline < 0) return changes;
  const Detection& headline = findings.detections[static_cast<std::size_t>(findings.headline)];
  std::vector<const EdgeEstimate*> edges;
  std::vector<int> cuts;
  const auto known = [&](int edge) { return std::find(cuts.begin(), cuts.end(), edge) != cuts.end(); };
  for (const EdgeEstimate& e : headline.boundaries) {
    edges.push_back(&e);
    cuts.push_back(e.edge);
  }
  for (const EdgeEstimate& e : headline.forced_two) {
    if (!known(e.edge)) edges.push_back(&e);
  }
  if (edges.empty()) return changes;
  const LayerSeries layers = layer_series(trace, TokenSet::ordinary, options.seed, options.bootstraps);
  StepEvidence evidence;
  std::vector<Column> columns;
  if (layers.undefined.empty()) {
    evidence = StepStatistics(layers.y.rows, layers.weight, layers.group).at(layers.y);
    columns = columns_of(trace, layers);
  }
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const EdgeEstimate& edge = *edges[i];
    EdgeChange change{.edge = edge.edge, .forced = i >= headline.boundaries.size()};
    std::vector<int> beside = cuts;
    if (change.forced) {
      for (const EdgeEstimate& e : headline.forced_two) beside.push_back(e.edge);
    } else {
      change.with_sinks = found_with_sinks(findings, edge.edge);
    }
    const Sides sides = sides_of(edge.edge, beside, findings, trace.n_layers());
    for (std::size_t j = 0; j < columns.size(); ++j)
      change.signals.push_back(change_of(columns[j], j, layers, evidence, sides));
    change.groups = groups_of(change.signals);
    add_states(trace, change);
    const bool states = edge.found_by == "states" || edge.found_by == "both";
    change.lasting = states || columns.empty() || stays(evidence, layers, sides.edge);
    change.sentence = edge_sentence(change, edge);
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace strata
