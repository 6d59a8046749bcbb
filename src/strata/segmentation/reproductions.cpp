// Rules that others published, so that a reader sees what they return on the same record.
#include "strata/segmentation/reproductions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/segmentation/segmentation.h"

namespace strata {
namespace {

Reproduction v1_mi_drop(const Trace& trace, TokenSet tokens) {
  Reproduction result{.rule = "v1_mi_drop", .tokens = tokens, .note = {}, .edges = {}, .difference = {}};
  result.threshold = kUndefinedValue;
  const Series* series = find_series(trace, "adjacent_mi", tokens);
  if (series == nullptr) {
    result.note = "the record has no adjacent_mi for these tokens";
    return result;
  }
  const auto values = mean_over_documents(*series);
  const bool usable = series->axis == Axis::block &&
                      values.size() == static_cast<std::size_t>(trace.n_layers()) && values.size() >= 3 &&
                      std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
  if (!usable) {
    result.note = "adjacent_mi is undefined at some block" +
                  (series->note.empty() ? std::string{} : " (" + series->note + ")");
    return result;
  }
  for (std::size_t e = 1; e < values.size(); ++e) result.difference.push_back(values[e] - values[e - 1]);
  const auto n = static_cast<double>(result.difference.size());
  const double mean = std::accumulate(result.difference.begin(), result.difference.end(), 0.0) / n;
  double square = 0.0;
  for (const double d : result.difference) square += (d - mean) * (d - mean);
  result.threshold = mean - 2.0 * std::sqrt(square / n);
  for (std::size_t i = 0; i < result.difference.size(); ++i) {
    if (result.difference[i] < result.threshold) result.edges.push_back(static_cast<int>(i) + 1);
  }
  result.defined = true;
  return result;
}

// Index of each value that is higher than what is on both sides; a plateau counts at its first place.
std::vector<std::size_t> peaks_of(const std::vector<double>& x) {
  std::vector<std::size_t> peaks;
  for (std::size_t i = 1; i + 1 < x.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < x.size() && x[last + 1] == x[i]) ++last;
    if (x[i] > x[i - 1] && last + 1 < x.size() && x[last + 1] < x[i]) peaks.push_back(i);
  }
  return peaks;
}

}  // namespace

Reproduction top_two_peaks(const Profile& profile, TokenSet tokens) {
  Reproduction result{
      .rule = "fused_top_two_peaks", .tokens = tokens, .note = {}, .edges = {}, .difference = {}};
  result.threshold = kUndefinedValue;
  if (!profile.undefined.empty()) {
    result.note = profile.undefined;
    return result;
  }
  const Matrix& y = profile.y;
  for (std::size_t e = 1; e < y.rows; ++e) {
    double square = 0.0;
    for (std::size_t j = 0; j < y.cols; ++j) square += (y(e, j) - y(e - 1, j)) * (y(e, j) - y(e - 1, j));
    result.difference.push_back(std::sqrt(square));
  }
  auto peaks = peaks_of(result.difference);
  if (peaks.size() < 2) {
    result.note = "the first difference has fewer than two peaks";
    return result;
  }
  std::stable_sort(peaks.begin(), peaks.end(),
                   [&](std::size_t a, std::size_t b) { return result.difference[a] > result.difference[b]; });
  result.edges = {static_cast<int>(peaks[0]) + 1, static_cast<int>(peaks[1]) + 1};
  std::sort(result.edges.begin(), result.edges.end());
  result.defined = true;
  return result;
}

std::vector<Reproduction> reproduce_published_rules(const Trace& trace) {
  std::vector<Reproduction> results;
  for (const TokenSet tokens : {TokenSet::ordinary, TokenSet::all})
    results.push_back(v1_mi_drop(trace, tokens));
  for (const TokenSet tokens : {TokenSet::ordinary, TokenSet::all}) {
    if (trace.n_layers() < 3) {  // too short for a profile
      Reproduction none{
          .rule = "fused_top_two_peaks", .tokens = tokens, .note = {}, .edges = {}, .difference = {}};
      none.threshold = kUndefinedValue;
      none.note = "fewer than 3 layers";
      results.push_back(none);
      continue;
    }
    results.push_back(top_two_peaks(fused_profile(trace, tokens, 0, 0), tokens));
  }
  return results;
}

}  // namespace strata
