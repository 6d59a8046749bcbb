#include "strata/calibration/found.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "strata/segmentation/count.h"
#include "strata/segmentation/locate.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/rule.h"

namespace strata {
namespace {

constexpr int kSamePlace = 2;            // blocks, as in the rule
constexpr std::uint32_t kStream = 50;    // as find_boundaries has it for ordinary tokens
constexpr std::size_t kFewestEdges = 3;  // likewise

struct Searches {
  StepSearch signals, states;
};

Searches search_both(const Trace& trace, const SegmentationOptions& options, bool intervals) {
  Searches found;
  if (candidate_edges(trace.n_layers()).size() < kFewestEdges) {
    found.signals.undefined = found.states.undefined = "too few layers";
    return found;
  }
  SearchOptions search{.common = options, .stream = kStream, .intervals = intervals};
  found.signals = search_signals(trace, TokenSet::ordinary, search);
  search.stream += 1;
  found.states = search_states(trace, TokenSet::ordinary, search);
  return found;
}

EdgeEstimate place_of(const StepSearch::Step& step) {
  EdgeEstimate place = step.place;
  place.edge = step.edge;
  place.evidence = step.evidence;
  place.p_value = step.p_value;
  return place;
}

// Boundaries of the detection first, then the places that no place before is close to.
Found found_of(const Detection& detection, const std::vector<const StepSearch*>& searches) {
  Found found{.selected_k = detection.selected_k, .selected = detection.boundaries};
  found.ranked = detection.boundaries;
  std::vector<EdgeEstimate> others;
  for (const StepSearch* search : searches) {
    for (const auto& step : search->steps) others.push_back(place_of(step));
  }
  std::stable_sort(others.begin(), others.end(), [](const EdgeEstimate& a, const EdgeEstimate& b) {
    return a.p_value != b.p_value ? a.p_value < b.p_value : a.evidence > b.evidence;
  });
  for (const EdgeEstimate& place : others) {
    const bool known = std::any_of(found.ranked.begin(), found.ranked.end(), [&](const EdgeEstimate& e) {
      return std::abs(e.edge - place.edge) <= kSamePlace;
    });
    if (!known) found.ranked.push_back(place);
  }
  return found;
}

Found look_with_old(const Trace& trace, const std::string& detector, int k,
                    const SegmentationOptions& options, bool intervals) {
  Profile profile;
  if (detector == "kernel_cka") {
    profile = kernel_profile(trace, TokenSet::ordinary);
  } else {
    profile = fused_profile(trace, TokenSet::ordinary, options.seed, intervals ? options.bootstraps : 0);
    if (profile.undefined.empty()) decorrelate(profile);
  }
  if (!profile.undefined.empty()) return {};
  const Models models = models_of(profile);
  const CountResult count = count_boundaries(models, profile.y, 0, options);
  Found found{.selected_k = count.selected_k, .uncertain = count.exhausted};
  if (k == 0 || k > models.max_jumps()) return found;
  const auto jumps = models.jumps(profile.y, k).back();
  if (intervals) {
    found.selected = locate(models, profile, jumps, 0, options);
  } else {
    for (const int edge : jumps.edges) found.selected.push_back({.edge = edge});
  }
  found.ranked = found.selected;
  return found;
}

}  // namespace

std::vector<Found> look_at(const Trace& trace, const std::vector<std::string>& detectors, int k,
                           const SegmentationOptions& options, bool intervals) {
  std::optional<Searches> searches;
  std::vector<Found> all;
  for (const std::string& detector : detectors) {
    if (detector == "kernel_cka" || detector == "fused") {
      all.push_back(look_with_old(trace, detector, k, options, intervals));
      continue;
    }
    if (!searches) searches = search_both(trace, options, intervals);
    const int n = trace.n_layers();
    if (detector == "either") {
      all.push_back(
          found_of(either_of(searches->signals, searches->states, TokenSet::ordinary, n, options.alpha),
                   {&searches->signals, &searches->states}));
    } else {
      const StepSearch& own = detector == "signals" ? searches->signals : searches->states;
      all.push_back(found_of(detection_of(own, detector.c_str(), TokenSet::ordinary, n), {&own}));
    }
  }
  return all;
}

}  // namespace strata
