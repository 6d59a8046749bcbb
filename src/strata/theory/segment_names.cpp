#include "strata/theory/segment_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "strata/base/error.h"
#include "strata/segmentation/roughness.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kHalfMore = 1.5;
constexpr int kReadOut = 2;  // blocks at most
constexpr double kRest = 5.0, kLocal = 0.8, kFar = 1.25, kForming = 0.6;

// How far each block moves the states; empty where the record does not say so for every block.
std::vector<double> motion_of(const Trace& trace) {
  for (const char* id : {"cka_shift", "angular_step", "block_influence", "update_ratio"}) {
    const Series* series = find_series(trace, id, TokenSet::ordinary);
    if (series == nullptr || series->axis != Axis::block) continue;
    auto values = mean_over_documents(*series);
    if (std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); })) return values;
  }
  return {};
}

// Medians of a signal over the blocks of each segment; empty where the record has none for every block.
std::vector<double> segment_medians(const Trace& trace, const char* id,
                                    const std::vector<Segment>& segments) {
  const Series* series = find_series(trace, id, TokenSet::ordinary);
  if (series == nullptr || series->axis == Axis::edge) return {};
  const auto values = mean_over_documents(*series);
  if (!std::all_of(values.begin() + 1, values.end() - 1, [](double x) { return std::isfinite(x); }))
    return {};
  const std::ptrdiff_t shift = series->axis == Axis::state ? 1 : 0;
  std::vector<double> medians;
  for (const Segment& segment : segments) {
    const auto first = values.begin() + segment.begin + shift;
    medians.push_back(stats::median(std::vector<double>(first, first + (segment.end - segment.begin))));
  }
  return medians;
}

// What share of the fall of lens_kl within the segments falls in each; empty where it does not fall.
std::vector<double> forming_shares(const Trace& trace, const std::vector<Segment>& segments) {
  const Series* series = find_series(trace, "lens_kl", TokenSet::ordinary);
  if (series == nullptr || series->axis != Axis::state) return {};
  const auto values = mean_over_documents(*series);
  const auto at = [&](int state) { return values[static_cast<std::size_t>(state)]; };
  const double total = at(segments.front().begin) - at(segments.back().end);
  if (!(total > 0.0)) return {};
  std::vector<double> shares;
  for (const Segment& s : segments) {
    shares.push_back((at(s.begin) - at(s.end)) / total);
    if (!std::isfinite(shares.back())) return {};
  }
  return shares;
}

bool papers_order(const std::vector<double>& distance, const std::vector<double>& forming) {
  if (distance.empty() && forming.empty()) return false;
  if (!distance.empty() && distance[2] < distance[0]) return false;
  const bool rises = !distance.empty() && distance[0] < distance[1] && distance[1] < distance[2];
  const bool late = !forming.empty() && forming[2] >= 0.5 && forming[0] <= 0.25;
  return rises || late;
}

// The value of segment k over the mean of the others.
double against_others(const std::vector<double>& values, std::size_t k) {
  double others = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) others += i == k ? 0.0 : values[i];
  return values[k] * static_cast<double>(values.size() - 1) / others;
}

std::vector<std::string> what_happens(const Trace& trace, const std::vector<Segment>& segments) {
  std::vector<double> motion;
  for (const char* id : {"block_influence", "angular_step", "cka_shift"}) {
    if (motion.empty()) motion = segment_medians(trace, id, segments);
  }
  const auto distance = segment_medians(trace, "attention_distance", segments);
  const auto forming = forming_shares(trace, segments);
  const double blocks = static_cast<double>(segments.back().end - segments.front().begin);
  std::vector<std::string> names;
  for (std::size_t k = 0; k < segments.size(); ++k) {
    std::vector<std::string> words;
    if (!motion.empty()) {
      const double ratio = against_others(motion, k);
      if (ratio >= 0.0 && ratio * kRest < 1.0) words.emplace_back("states at rest");
    }
    const double share_of_blocks = static_cast<double>(segments[k].end - segments[k].begin) / blocks;
    if (!forming.empty() && forming[k] >= kForming && forming[k] >= 1.5 * share_of_blocks)
      words.emplace_back("prediction forming");
    if (!distance.empty()) {
      const double ratio = against_others(distance, k);
      if (ratio < kLocal) words.emplace_back("local attention");
      if (ratio > kFar) words.emplace_back("far attention");
    }
    names.push_back(words.empty() ? fmt::format("Segment {}", k + 1) : words[0]);
  }
  return names;
}

}  // namespace

void find_ends(const Trace& trace, Findings& findings) {
  findings.start_up = {.name = "start-up"};
  findings.read_out = {.name = "read-out", .begin = trace.n_layers(), .end = trace.n_layers()};
  const int n = trace.n_layers();
  if (findings.headline < 0 || candidate_edges(n).empty()) return;
  const auto motion = motion_of(trace);
  if (motion.empty()) return;
  const auto& boundaries = findings.detections[static_cast<std::size_t>(findings.headline)].boundaries;
  const auto moves = [&](int block) { return motion[static_cast<std::size_t>(block)]; };
  double largest = 0.0;
  for (int l = startup_blocks(n); l < n - kReadOut; ++l) {
    const bool opens =
        std::any_of(boundaries.begin(), boundaries.end(), [&](const EdgeEstimate& b) { return b.edge == l; });
    if (!opens) largest = std::max(largest, moves(l));
  }
  const auto stands_out = [&](int block) { return moves(block) > kHalfMore * largest; };
  while (findings.start_up.end < startup_blocks(n) && stands_out(findings.start_up.end))
    ++findings.start_up.end;
  while (findings.read_out.begin > n - kReadOut && stands_out(findings.read_out.begin - 1))
    --findings.read_out.begin;
}

std::vector<Segment> named_segments(const Trace& trace, const std::vector<int>& edges, bool forced,
                                    const Segment& start_up, const Segment& read_out) {
  std::vector<Segment> segments;
  int begin = start_up.end;
  const int end = read_out.end > read_out.begin ? read_out.begin : trace.n_layers();
  for (std::size_t s = 0; s <= edges.size(); ++s) {
    const int to = s < edges.size() ? edges[s] : end;
    STRATA_CHECK(begin < to && to <= trace.n_layers());
    segments.push_back({fmt::format("{} {}", forced ? "Forced" : "Segment", s + 1), begin, to});
    begin = to;
  }
  if (forced || segments.size() < 2) return segments;
  constexpr std::array kPaper = {"Local", "Intermediate", "Global"};
  const bool paper =
      segments.size() == kPaper.size() &&
      papers_order(segment_medians(trace, "attention_distance", segments), forming_shares(trace, segments));
  const auto names =
      paper ? std::vector<std::string>(kPaper.begin(), kPaper.end()) : what_happens(trace, segments);
  std::map<std::string, int> count, seen;
  for (const std::string& name : names) ++count[name];
  for (std::size_t k = 0; k < segments.size(); ++k)
    segments[k].name = count[names[k]] == 1 ? names[k] : fmt::format("{} {}", names[k], ++seen[names[k]]);
  return segments;
}

}  // namespace strata
