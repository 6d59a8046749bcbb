#include "strata/calibration/trial.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/calibration/found.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/reproductions.h"

namespace strata {
namespace {

constexpr double kRecoveryBar = 0.90, kFalseBar = 0.05, kCoverageBar = 0.85, kTrainedBar = 0.85;
constexpr double kWeakCountBar = 0.60;  // published shapes with 3 sigma
constexpr double kNear = 0.1;           // in relative depth, of a third
constexpr std::array kPublishedBarLayers = {28, 32};

const char* const kTopTwoPeaks = "fused_top_two_peaks";

// The bar is about 16 or more layers, at least four signals and at least three sigmas.
bool has_recovery_bar(const PlantedSpec& spec) {
  return spec.n_layers >= 16 && spec.signals >= 4 && spec.contrast >= 3.0;
}

std::vector<Measure> published_measures(const PlantedSpec& spec) {
  std::vector<Measure> measures = {
      {"right_k", {}, false}, {"within_one", {}, false}, {"recovered", {}, false}};
  if (std::find(kPublishedBarLayers.begin(), kPublishedBarLayers.end(), spec.n_layers) ==
      kPublishedBarLayers.end())
    return measures;
  measures[0].bar = spec.contrast >= 6.0 ? kRecoveryBar : kWeakCountBar;
  if (spec.contrast < 6.0) measures[1].bar = kRecoveryBar;
  return measures;
}

bool close_to(const std::vector<EdgeEstimate>& places, std::size_t count, int edge, int distance) {
  return std::any_of(places.begin(),
                     places.begin() + static_cast<std::ptrdiff_t>(std::min(count, places.size())),
                     [&](const EdgeEstimate& place) { return std::abs(place.edge - edge) <= distance; });
}

// Every edge has a boundary, or one of the strongest places, within one block.
bool all_within_one(const Found& found, const std::vector<int>& edges) {
  const std::size_t count = std::max(found.selected.size(), edges.size());
  return std::all_of(edges.begin(), edges.end(),
                     [&](int edge) { return close_to(found.ranked, count, edge, 1); });
}

Outcome recovery(const Found& found, const std::vector<int>& edges) {
  const bool counted = found.selected_k == static_cast<int>(edges.size());
  const bool placed = all_within_one(found, edges);
  return {counted, placed, counted && placed};
}

// Of the boundary that was found for one planted edge of each trial, in turn, so that trials are
// independent. A boundary belongs to the nearest planted edge.
Outcome coverage(const Found& found, const std::vector<int>& edges, int trial, int n_layers) {
  if (edges.empty()) return {{}, {}};
  const int truth = edges[static_cast<std::size_t>(trial) % edges.size()], reach = std::max(4, n_layers / 6);
  const EdgeEstimate* own = nullptr;
  for (const EdgeEstimate& e : found.selected) {
    const int distance = std::abs(e.edge - truth);
    const bool nearer_to_another = std::any_of(
        edges.begin(), edges.end(), [&](int other) { return std::abs(e.edge - other) < distance; });
    if (nearer_to_another || distance > reach) continue;
    if (own == nullptr || distance < std::abs(own->edge - truth)) own = &e;
  }
  if (own == nullptr) return {{}, {}};
  return {own->interval_90.lo <= truth && truth <= own->interval_90.hi, own->edge == truth};
}

// Recovery of the edges that the oracle sees. A boundary at a planted edge that it does not see is neither
// asked for nor wrong.
Outcome trained_recovery(const Found& found, const std::vector<int>& edges, const std::vector<bool>& shows) {
  std::vector<int> seen, hidden;
  for (std::size_t k = 0; k < edges.size(); ++k) (shows[k] ? seen : hidden).push_back(edges[k]);
  Outcome outcome = {hidden.empty(), {}, {}, {}};
  if (seen.empty()) return outcome;
  const auto counted =
      std::count_if(found.selected.begin(), found.selected.end(), [&](const EdgeEstimate& e) {
        return std::none_of(hidden.begin(), hidden.end(),
                            [&](int edge) { return std::abs(e.edge - edge) <= 1; });
      });
  outcome[1] = counted == static_cast<std::ptrdiff_t>(seen.size());
  outcome[2] = all_within_one(found, seen);
  outcome[3] = *outcome[1] && std::all_of(seen.begin(), seen.end(), [&](int edge) {
    return close_to(found.selected, found.selected.size(), edge, 1);
  });
  return outcome;
}

bool near_thirds(const std::vector<int>& edges, int n_layers) {
  return edges.size() == 2 && std::abs(edges[0] / static_cast<double>(n_layers) - 1.0 / 3.0) <= kNear &&
         std::abs(edges[1] / static_cast<double>(n_layers) - 2.0 / 3.0) <= kNear;
}

Outcome rule(const Found& found, int n_layers) {
  std::vector<int> edges;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, found.ranked.size()); ++i)
    edges.push_back(found.ranked[i].edge);
  std::sort(edges.begin(), edges.end());
  return {near_thirds(edges, n_layers)};
}

Outcome top_two(const Trace& trace) {
  const Profile profile = fused_profile(trace, TokenSet::ordinary, 0, 0);
  return {near_thirds(top_two_peaks(profile, TokenSet::ordinary).edges, trace.n_layers())};
}

Outcome with_coverage(Outcome outcome, const Outcome& covered) {
  outcome.insert(outcome.end(), covered.begin(), covered.end());
  return outcome;
}

bool is_null(const CalibrationCell& cell) {
  return cell.kind == "null" || cell.kind == "random" || cell.kind == "trained_null";
}

// What was planted, and what there is to see of it.
struct Planted {
  Trace trace;
  std::vector<int> edges;
  std::vector<bool> shows;
};

Planted plant(const CalibrationCell& cell, const PlantedSpec& spec, int trial,
              const CalibrationOptions& options) {
  if (spec.shape == PlantedShape::trained) {
    STRATA_CHECK(options.trained.has_value());
    const auto& models = *options.trained;
    const TrainedPlan plan = plan_trained(cell.trained, spec.n_layers, trial, spec.seed, models.n_blocks);
    Planted planted{models.run(plan), plan.edges, {}};
    planted.shows = edges_that_show(planted.trace, plan.edges);
    return planted;
  }
  if (cell.kind != "networks" && cell.kind != "random") return {planted_trace(spec), spec.edges, {}};
  STRATA_CHECK(options.network);
  return {options.network(spec, planted_blocks(spec)), spec.edges, {}};
}

}  // namespace

std::vector<Measure> measures_of(const CalibrationCell& cell, const std::string& detector) {
  std::vector<Measure> measures;
  if (is_null(cell)) {
    measures = {{"false_boundary", kFalseBar, true}};
    if (cell.trained == TrainedKind::random_order) measures[0].bar.reset();  // its blocks do change at random
  } else if (cell.kind == "networks") {
    measures = {{"right_k", {}, false},
                {"within_one", {}, false},
                {"recovered", {}, false},
                {"coverage_90", {}, false},
                {"exact", {}, false}};
  } else if (cell.kind == "trained") {
    measures = {{"all_edges_show", {}, false}, {"right_k", {}, false},     {"within_one", {}, false},
                {"recovered", kTrainedBar},    {"coverage_90", {}, false}, {"exact", {}, false}};
  } else if (cell.kind == "coverage") {
    measures = {{"coverage_90", kCoverageBar, false}, {"exact", {}, false}};
  } else if (cell.kind == "rules") {
    measures = {{"near_thirds", {}, false}};
  } else if (cell.kind == "published") {
    measures = published_measures(cell.spec);
  } else {
    std::optional<double> bar;
    if (has_recovery_bar(cell.spec)) bar = kRecoveryBar;
    measures = {{"right_k", bar, false}, {"within_one", bar, false}, {"recovered", {}, false}};
  }
  if (detector != "either") {
    for (Measure& measure : measures) measure.bar.reset();
  }
  return measures;
}

std::vector<Outcome> run_trial(const CalibrationCell& cell, const std::vector<std::string>& detectors,
                               int trial, const CalibrationOptions& options) {
  PlantedSpec spec = cell.spec;
  Philox rng(
      {.seed = options.seed, .stream = Stream::planted, .c = static_cast<std::uint32_t>(trial), .d = 1});
  spec.seed = rng.next_u64();
  const Planted planted = plant(cell, spec, trial, options);
  const bool rules = cell.kind == "rules";
  const bool intervals = cell.kind == "coverage" || cell.kind == "networks" || cell.kind == "trained";
  const SegmentationOptions own{.seed = spec.seed,
                                .surrogates = options.surrogates,
                                .bootstraps = options.bootstraps,
                                .threads = 1,
                                .decision_only = true};
  std::vector<std::string> looking = detectors;
  std::erase(looking, kTopTwoPeaks);
  const int k = rules ? 2 : static_cast<int>(planted.edges.size());
  const auto found = look_at(planted.trace, looking, k, own, intervals);
  const int n_layers = planted.trace.n_layers();
  std::vector<Outcome> outcomes;
  std::size_t next = 0;
  for (const std::string& detector : detectors) {
    if (detector == kTopTwoPeaks) {
      outcomes.push_back(top_two(planted.trace));
      continue;
    }
    const Found& one = found[next++];
    const auto covered = [&] { return coverage(one, planted.edges, trial, n_layers); };
    if (rules) {
      outcomes.push_back(rule(one, n_layers));
    } else if (is_null(cell)) {
      outcomes.push_back({one.selected_k > 0 || one.uncertain});
    } else if (cell.kind == "trained") {
      outcomes.push_back(with_coverage(trained_recovery(one, planted.edges, planted.shows), covered()));
    } else if (cell.kind == "networks") {
      outcomes.push_back(with_coverage(recovery(one, planted.edges), covered()));
    } else if (intervals) {
      outcomes.push_back(covered());
    } else {
      outcomes.push_back(recovery(one, planted.edges));
    }
  }
  return outcomes;
}

}  // namespace strata
