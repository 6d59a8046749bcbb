#include "strata/segmentation/layer_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string_view>

#include "strata/base/philox.h"
#include "strata/stats/half_sample.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr std::array<std::string_view, 8> kLogScale = {
    "cka_shift",   "angular_step",        "block_influence", "update_ratio",
    "adjacent_mi", "participation_ratio", "effective_rank",  "lens_kl"};
constexpr double kSmallest = 1e-3;        // of the median: what a logarithm still tells apart
constexpr std::size_t kMinDocuments = 4;  // fewer give at most one document in a half-sample
constexpr std::size_t kFewDocuments = 8;  // fewer: the note says so

// How the values of one signal enter.
struct Entry {
  const Series* series = nullptr;
  std::size_t first = 0;  // column of block 0: 0 for block series, 1 for state series
  bool log = false;
  double smallest = 0.0;
};

std::vector<double> block_values(const Trace& trace, const Entry& entry,
                                 const std::vector<std::uint32_t>& documents, std::size_t n,
                                 std::ptrdiff_t replicate) {
  const Series& series = *entry.series;
  std::vector<double> values(n, std::numeric_limits<double>::quiet_NaN());
  if (!series.joint.empty()) {
    const auto joint =
        replicate < 0 ? series.joint : joint_replicate(trace, series, static_cast<std::size_t>(replicate));
    if (joint.size() == n + entry.first)
      std::copy(joint.begin() + static_cast<std::ptrdiff_t>(entry.first), joint.end(), values.begin());
    return values;
  }
  for (std::size_t l = 0; l < n; ++l) {
    double sum = 0.0, weight = 0.0;
    for (const std::uint32_t d : documents) {
      const double x = series.by_doc(d, l + entry.first), w = series.weight[d];
      if (!std::isfinite(x) || !(w > 0.0)) continue;
      sum += w * x;
      weight += w;
    }
    if (weight > 0.0) values[l] = sum / weight;
  }
  return values;
}

bool inner_finite(const std::vector<double>& values) {
  return values.size() > 2 &&
         std::all_of(values.begin() + 1, values.end() - 1, [](double x) { return std::isfinite(x); });
}

// Chooses the scale; values that are not positive by more than rounding keep the signal linear.
void choose_scale(Entry& entry, const std::vector<double>& values) {
  if (!is_log_scale(entry.series->id)) return;
  std::vector<double> positive;
  for (const double x : values) {
    if (std::isfinite(x) && x > 0.0) positive.push_back(x);
  }
  if (2 * positive.size() <= values.size()) return;
  entry.smallest = kSmallest * stats::median(positive);
  entry.log =
      std::all_of(values.begin() + 1, values.end() - 1, [&](double x) { return x > -entry.smallest; });
}

// The first and last block may be undefined (lens_kl is 0 at the output); they take their neighbour's value
// and are looked at by no statistic.
std::vector<double> scaled(const Entry& entry, std::vector<double> values) {
  if (entry.log) {
    for (double& x : values) x = std::log(std::max(x, entry.smallest));
  }
  if (!std::isfinite(values.front())) values.front() = values[1];
  if (!std::isfinite(values.back())) values.back() = values[values.size() - 2];
  return values;
}

std::string problem_of(const Series& series, std::size_t n, std::size_t first) {
  if (series.axis == Axis::edge) return "it lives on edges";
  if (series.by_doc.cols != n + first)
    return fmt::format("{} columns instead of {}", series.by_doc.cols, n + first);
  if (series.weight.size() != series.by_doc.rows) return "weights and documents differ in number";
  if (!series.joint.empty() && series.joint.size() != series.by_doc.cols)
    return "joint values and columns differ in number";
  return {};
}

void set_weights(LayerSeries& result) {
  std::map<Group, double> members;
  for (const Group group : result.group) members[group] += 1.0;
  for (const Group group : result.group)
    result.weight.push_back(1.0 / (members[group] * static_cast<double>(members.size())));
}

void add_deviations(LayerSeries& result, const Trace& trace, const std::vector<Entry>& entries,
                    std::uint64_t seed, int resamples) {
  const std::size_t documents = entries.front().series->by_doc.rows, n = result.y.rows;
  const bool same = std::all_of(entries.begin(), entries.end(),
                                [&](const Entry& e) { return e.series->by_doc.rows == documents; });
  if (!same || documents < kMinDocuments) {
    result.note += fmt::format("{}: intervals hold layer noise only; ",
                               same ? "fewer than 4 documents" : "signals differ in their documents");
    return;
  }
  if (documents < kFewDocuments) result.note += "fewer than 8 documents: intervals are rough; ";
  for (int r = 0; r < resamples; ++r) {
    Philox rng({.seed = seed, .stream = Stream::half_sample, .a = static_cast<std::uint32_t>(r)});
    const auto half = stats::half_sample(documents, rng);
    Matrix deviation(n, entries.size());
    for (std::size_t j = 0; j < entries.size(); ++j) {
      auto values = block_values(trace, entries[j], half, n, r);
      if (!inner_finite(values)) continue;  // held fixed in this half-sample
      values = scaled(entries[j], std::move(values));
      for (std::size_t l = 0; l < n; ++l) deviation(l, j) = values[l] - result.y(l, j);
    }
    result.deviations.push_back(std::move(deviation));
  }
}

}  // namespace

bool is_log_scale(const std::string& id) {
  return std::find(kLogScale.begin(), kLogScale.end(), id) != kLogScale.end();
}

LayerSeries layer_series(const Trace& trace, TokenSet tokens, std::uint64_t seed, int resamples,
                         const Group* without) {
  LayerSeries result;
  const auto n = static_cast<std::size_t>(trace.n_layers());
  std::vector<Entry> entries;
  std::vector<std::vector<double>> columns;
  for (const Series& series : trace.series) {
    if (series.tokens != tokens || series.group == Group::control) continue;
    if (without != nullptr && series.group == *without) continue;
    Entry entry{.series = &series, .first = series.axis == Axis::state ? std::size_t{1} : std::size_t{0}};
    std::string problem = problem_of(series, n, entry.first);
    std::vector<double> values;
    if (problem.empty()) {
      std::vector<std::uint32_t> all(series.by_doc.rows);
      std::iota(all.begin(), all.end(), 0u);
      values = block_values(trace, entry, all, n, -1);
      if (!inner_finite(values))
        problem =
            "undefined at some block" + (series.note.empty() ? std::string{} : " (" + series.note + ")");
    }
    if (problem.empty()) {
      choose_scale(entry, values);
      values = scaled(entry, std::move(values));
      const auto [low, high] = std::minmax_element(values.begin() + 1, values.end() - 1);
      if (*high - *low <= 1e-12 * std::max(std::abs(*high), std::abs(*low)))
        problem = "the same at every block";
    }
    if (!problem.empty()) {
      result.left_out.push_back(series.id + ": " + problem);
      continue;
    }
    result.used.push_back(series.id);
    result.group.push_back(series.group);
    entries.push_back(entry);
    columns.push_back(std::move(values));
  }
  if (entries.empty()) {
    result.undefined = "no signal can be used for these tokens";
    return result;
  }
  result.y = Matrix(n, columns.size());
  for (std::size_t j = 0; j < columns.size(); ++j) {
    for (std::size_t l = 0; l < n; ++l) result.y(l, j) = columns[j][l];
  }
  set_weights(result);
  add_deviations(result, trace, entries, seed, resamples);
  return result;
}

}  // namespace strata
