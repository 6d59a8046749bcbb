#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/segmentation/count.h"
#include "strata/segmentation/locate.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/rule.h"
#include "strata/segmentation/segmentation.h"

namespace strata {

namespace {

Profile make_kernel(const Trace& trace, TokenSet tokens, const SegmentationOptions&) {
  return kernel_profile(trace, tokens);
}

Profile make_fused(const Trace& trace, TokenSet tokens, const SegmentationOptions& options) {
  Profile profile = fused_profile(trace, tokens, options.seed, options.bootstraps);
  if (profile.undefined.empty()) decorrelate(profile);
  return profile;
}

struct Detector {
  const char* name;
  Profile (*profile)(const Trace&, TokenSet, const SegmentationOptions&);
};

// Earlier detectors, kept as reproductions.
constexpr std::array kDetectors = {Detector{"kernel_cka", make_kernel}, Detector{"fused", make_fused}};
constexpr std::array kTokenSets = {TokenSet::ordinary, TokenSet::all};
constexpr std::uint32_t kStepStreams = 50;  // below the streams of groups.cpp
constexpr std::size_t kFewestEdges = 3;     // fewer cannot tell an unusual edge from the usual

// Keeps the random numbers of the detections apart.
std::uint32_t stream_of(std::size_t which, TokenSet tokens) {
  return static_cast<std::uint32_t>(2 * which + (tokens == TokenSet::all ? 1 : 0));
}

ModelFit describe(const Models& models, const FittedModel& model, const Matrix& y) {
  return {.k = model.k,
          .name = name_of(model),
          .edges = model.edges,
          .sse = model.sums.square,
          .bic_ar1 = model.bic,
          .leave_one_out = models.leave_one_out(model, y)};
}

void fill_detection(Detection& detection, const Profile& profile, std::uint32_t detector,
                    const SegmentationOptions& options) {
  const Models models = models_of(profile);
  const auto jumps = models.jumps(profile.y, models.max_jumps());
  std::vector<FittedModel> candidates(jumps);
  for (const auto trend : stats::kTrends) candidates.push_back(models.smooth(trend, profile.y));
  detection.fits.resize(candidates.size());
  parallel_for(candidates.size(), options.threads,
               [&](std::size_t i) { detection.fits[i] = describe(models, candidates[i], profile.y); });
  const CountResult count = count_boundaries(models, profile.y, detector, options);
  detection.tests = count.tests;
  detection.selected_k = count.selected_k;
  detection.verdict = verdict_of(count);
  if (count.exhausted) {
    detection.note += "every number of jumps up to the largest that fits was rejected in favour of more; ";
  }
  if (count.like_a_walk) {
    detection.note += "jumps beat every smooth model, but a random walk gives as much; ";
  }
  const auto place = [&](int k) {
    return locate(models, profile, jumps[static_cast<std::size_t>(k)], detector, options);
  };
  if (count.selected_k > 0) detection.boundaries = place(count.selected_k);
  if (models.max_jumps() >= 2) {
    detection.forced_two = place(2);
  } else {
    detection.note += "too few layers for two boundaries; ";
  }
  detection.k_stability = k_stability(models, profile, options.threads);
}

Detection detect(const Trace& trace, std::size_t which, TokenSet tokens, const SegmentationOptions& options) {
  Detection detection;
  detection.detector = kDetectors[which].name;
  detection.tokens = tokens;
  detection.verdict = "not identified";
  if (max_jumps(trace.n_layers()) < 1) {
    detection.note = fmt::format("{} layers are too few: a boundary needs at least {}", trace.n_layers(),
                                 2 * min_segment(trace.n_layers()));
    return detection;
  }
  const Profile profile = kDetectors[which].profile(trace, tokens, options);
  detection.used_signals = profile.used;
  detection.left_out = profile.left_out;
  if (!profile.undefined.empty()) {
    detection.note = profile.undefined;
    return detection;
  }
  detection.defined = true;
  detection.note = profile.note;
  fill_detection(detection, profile, stream_of(which, tokens), options);
  if (detection.note.ends_with("; ")) detection.note.resize(detection.note.size() - 2);
  return detection;
}

RecordCount count_old(const Trace& trace, std::size_t which, TokenSet tokens,
                      const SegmentationOptions& options) {
  RecordCount result{.verdict = "not identified"};
  if (max_jumps(trace.n_layers()) < 1) {
    result.note = "too few layers";
    return result;
  }
  SegmentationOptions without = options;
  without.bootstraps = 0;
  const Profile profile = kDetectors[which].profile(trace, tokens, without);
  result.note = profile.undefined;
  if (!profile.undefined.empty()) return result;
  result.defined = true;
  const Models models = models_of(profile);
  const CountResult count = count_boundaries(models, profile.y, stream_of(which, tokens), options);
  result.statistic = count.tests.front().statistic;
  result.selected_k = count.selected_k;
  result.verdict = verdict_of(count);
  if (models.max_jumps() >= 2) result.forced_two = models.jumps(profile.y, 2).back().edges;
  return result;
}

std::vector<int> edges_of(const std::vector<EdgeEstimate>& estimates) {
  std::vector<int> edges;
  for (const EdgeEstimate& estimate : estimates) edges.push_back(estimate.edge);
  return edges;
}

RecordCount count_of(const Detection& d) {
  RecordCount count{.defined = d.defined, .note = d.note, .selected_k = d.selected_k, .verdict = d.verdict};
  if (!d.evidence.empty()) count.statistic = *std::max_element(d.evidence.begin(), d.evidence.end());
  count.edges = edges_of(d.boundaries);
  count.forced_two = edges_of(d.forced_two);
  return count;
}

// The rule and its two detectors for one token set.
std::vector<Detection> run_steps(const Trace& trace, TokenSet tokens, const SegmentationOptions& options,
                                 bool intervals) {
  SearchOptions search{.common = options, .stream = kStepStreams + (tokens == TokenSet::all ? 2u : 0u)};
  search.intervals = intervals;
  StepSearch signals, states;
  if (candidate_edges(trace.n_layers()).size() < kFewestEdges) {
    signals.undefined = states.undefined =
        fmt::format("{} layers are too few: start-up and read-out leave {} edges", trace.n_layers(),
                    candidate_edges(trace.n_layers()).size());
  } else {
    signals = search_signals(trace, tokens, search);
    search.stream += 1;
    states = search_states(trace, tokens, search);
  }
  return {either_of(signals, states, tokens, trace.n_layers(), options.alpha),
          detection_of(signals, "signals", tokens, trace.n_layers()),
          detection_of(states, "states", tokens, trace.n_layers())};
}

}  // namespace

std::vector<RecordCount> count_record(const Trace& trace, const SegmentationOptions& options) {
  std::vector<RecordCount> counts;
  for (const TokenSet tokens : kTokenSets) {
    for (const Detection& d : run_steps(trace, tokens, options, false)) counts.push_back(count_of(d));
  }
  for (std::size_t which = 0; options.reproductions && which < kDetectors.size(); ++which) {
    for (const TokenSet tokens : kTokenSets) counts.push_back(count_old(trace, which, tokens, options));
  }
  return counts;
}

std::vector<Detection> find_boundaries(const Trace& trace, const SegmentationOptions& options) {
  if (options.surrogates < 1 || options.bootstraps < 1 || !(options.alpha > 0.0 && options.alpha < 1.0)) {
    throw Error(ErrorKind::usage,
                {.where = "segmentation options",
                 .found = fmt::format("surrogates {}, bootstraps {}, alpha {}", options.surrogates,
                                      options.bootstraps, options.alpha),
                 .expected = "at least one surrogate and one bootstrap, alpha between 0 and 1"});
  }
  std::vector<Detection> detections;
  for (const TokenSet tokens : kTokenSets) {
    for (Detection& d : run_steps(trace, tokens, options, true)) detections.push_back(std::move(d));
  }
  for (std::size_t which = 0; options.reproductions && which < kDetectors.size(); ++which) {
    for (const TokenSet tokens : kTokenSets) detections.push_back(detect(trace, which, tokens, options));
  }
  return detections;
}

int headline_detection(const std::vector<Detection>& detections) {
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const Detection& d = detections[i];
    if (d.defined && d.tokens == TokenSet::ordinary && d.role == DetectorRole::rule)
      return static_cast<int>(i);
  }
  return -1;
}

std::vector<Segment> segments_from_edges(const std::vector<int>& edges, int n_layers) {
  static constexpr std::array kThree = {"Local", "Intermediate", "Global"};
  std::vector<Segment> segments;
  int begin = 0;
  for (std::size_t s = 0; s <= edges.size(); ++s) {
    const int end = s < edges.size() ? edges[s] : n_layers;
    STRATA_CHECK(begin < end && end <= n_layers);
    segments.push_back({edges.size() == 2 ? kThree[s] : fmt::format("Segment {}", s + 1), begin, end});
    begin = end;
  }
  return segments;
}

}  // namespace strata
