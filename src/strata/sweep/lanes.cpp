#include "strata/sweep/lanes.h"

#include <algorithm>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/sweep/cost.h"
#include "strata/sweep/dose_run.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

constexpr int kFewExperts = 16;  // of a block: as many curves of `all`

// Where an intervention acts.
struct LanePlace {
  int begin = 0, span = 1, head = -1;
};

bool wanted(const MeasureOptions& options, const LaneShare* share, int place) {
  const auto named = [&](const std::vector<int>& places) {
    return places.empty() || std::find(places.begin(), places.end(), place) != places.end();
  };
  return named(options.layers) && (share == nullptr || named(share->places));
}

const LaneShare* share_of(const Intervention& what, const MeasureOptions& options) {
  for (const LaneShare& share : options.shares) {
    if (share.intervention == what.id) return &share;
  }
  return nullptr;
}

// Heads or experts that have a curve each; -1: one curve for all. None of many experts unless asked for.
int parts_of(const Intervention& what, const ModelConfig& config, int place, const MeasureOptions& options) {
  if (what.per_head) return config.heads;
  if (!what.per_expert) return -1;
  const int experts = describe_block(config, place).feed_forward.experts;
  const bool asked = std::find(options.interventions.begin(), options.interventions.end(), what.id) !=
                     options.interventions.end();
  return asked || experts <= kFewExperts ? experts : 0;
}

std::vector<LanePlace> places_of(const Intervention& what, const LaneShare* share, const ModelConfig& config,
                                 const MeasureOptions& options, const std::vector<Segment>& segments) {
  std::vector<LanePlace> places;
  if (what.span == kSegmentSpan) {
    for (const Segment& segment : segments)
      places.push_back({segment.begin, segment.end - segment.begin, -1});
    return places;
  }
  if (!segments.empty()) return places;
  const int count = config.n_layers + (what.site == Site::state ? 1 : 1 - what.span);
  for (int place = 0; place < count; ++place) {
    if (!wanted(options, share, place) || !has_object(what, config, place)) continue;
    const int parts = parts_of(what, config, place, options);
    for (int part = parts < 0 ? -1 : 0; part < std::max(parts, 0); ++part)
      places.push_back({place, what.span, part});
  }
  return places;
}

DoseCurve empty_curve(const Intervention& what, const LaneShare* share, const LanePlace& place) {
  DoseCurve curve;
  curve.intervention = what.id;
  curve.site = to_string(what.site);
  curve.strength_unit = what.strength_unit;
  curve.axis = what.site == Site::state ? Axis::state : Axis::block;
  curve.place = place.begin;
  curve.span = place.span;
  curve.head = place.head;
  curve.continuous = what.continuous;
  for (const double strength : what.strengths) {
    const bool all = share == nullptr || share->strengths.empty();
    if (all ||
        std::find(share->strengths.begin(), share->strengths.end(), strength) != share->strengths.end())
      curve.strength.push_back(strength);
  }
  return curve;
}

void add_lanes(const Intervention& what, const LanePlace& place, const DoseCurve& curve, std::size_t index,
               std::vector<std::pair<Lane, std::pair<std::size_t, std::size_t>>>& lanes) {
  for (std::size_t s = 0; s < curve.strength.size(); ++s) {
    for (const double sign : {1.0, -1.0}) {
      if (sign < 0.0 && !what.antithetic) continue;
      lanes.push_back({{.fork = place.begin,
                        .edit = {.intervention = &what,
                                 .place = place.begin,
                                 .span = place.span,
                                 .head = place.head,
                                 .strength = curve.strength[s],
                                 .sign = sign}},
                       {index, s}});
    }
  }
}

DosePlan plan_lanes(const ModelConfig& config, const MeasureOptions& options,
                    const std::vector<Segment>& segments) {
  DosePlan plan;
  std::vector<std::pair<Lane, std::pair<std::size_t, std::size_t>>> lanes;
  for (const Intervention* what : selected_interventions(options)) {
    const LaneShare* share = share_of(*what, options);
    for (const LanePlace& place : places_of(*what, share, config, options, segments)) {
      plan.curves.push_back(empty_curve(*what, share, place));
      plan.share_of.push_back(share);
      add_lanes(*what, place, plan.curves.back(), plan.curves.size() - 1, lanes);
    }
  }
  std::stable_sort(lanes.begin(), lanes.end(),
                   [](const auto& a, const auto& b) { return a.first.fork < b.first.fork; });
  for (const auto& [lane, target] : lanes) {
    plan.lanes.push_back(lane);
    plan.curve_of.push_back(target.first);
    plan.strength_of.push_back(target.second);
  }
  return plan;
}

LaneCost cost_of(const DosePlan& plan, const SweepContext& context, const std::vector<LaneWindow>& sample) {
  LaneCost cost{.lanes = static_cast<std::int64_t>(plan.lanes.size()),
                .extra_blocks = lane_extra_blocks(plan.lanes)};
  const auto documents = static_cast<int>(document_order(context, sample).size());
  std::vector<const LaneShare*> counted;
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) {
    const LaneShare* share = plan.share_of[plan.curve_of[i]];
    const auto tokens = static_cast<double>(
        tokens_of(documents_of(context, sample, 0, share == nullptr ? 0 : share->documents)));
    ++cost.lanes_by_documents[share == nullptr ? 0 : share->documents];
    cost.flops += tokens * lane_token_flops(context, plan.lanes[i].fork);
    if (share == nullptr || std::find(counted.begin(), counted.end(), share) != counted.end()) continue;
    counted.push_back(share);
    cost.flops += share->more;
    if (share->more > 0.0 && share->documents > 0) {
      int runs = 0;
      for (int n = share->documents; n < documents; n *= 2) ++runs;
      cost.further_runs = std::max(cost.further_runs, runs);
    }
  }
  return cost;
}

// Windows of a document with at least `tokens` tokens; all of its windows if none is that long.
std::vector<std::size_t> candidates(const SweepContext& context, int document, std::int64_t tokens) {
  std::vector<std::size_t> all, long_enough;
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w) {
    if (context.corpus.windows[w].document != document) continue;
    all.push_back(w);
    if (context.tokens_in(w) >= tokens) long_enough.push_back(w);
  }
  return long_enough.empty() ? all : long_enough;
}

// Windows of a group of short documents, in a seeded order, until `share` tokens are there.
void add_group(const std::vector<std::size_t>& windows, std::int64_t share, const SweepContext& context,
               Philox& rng, std::vector<LaneWindow>& sample) {
  std::vector<std::uint32_t> order(windows.size());
  std::iota(order.begin(), order.end(), 0u);
  shuffle(order, rng);
  std::vector<LaneWindow> chosen;
  for (const std::uint32_t i : order) {
    const std::int64_t tokens = std::min(share, context.tokens_in(windows[i]));
    if (tokens < 2) break;
    chosen.push_back({windows[i], tokens});
    share -= tokens;
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const LaneWindow& a, const LaneWindow& b) { return a.window < b.window; });
  sample.insert(sample.end(), chosen.begin(), chosen.end());
}

}  // namespace

std::vector<LaneWindow> lane_sample(const SweepContext& context, std::int64_t lane_tokens) {
  const std::size_t documents = context.corpus.documents.size();
  const std::int64_t room = std::max<std::int64_t>(1, lane_tokens / kMinWindowTokens);
  std::vector<std::uint32_t> order(documents);
  std::iota(order.begin(), order.end(), 0u);
  if (room < static_cast<std::int64_t>(documents)) {
    Philox rng({.seed = context.seed, .stream = Stream::documents});
    shuffle(order, rng);
    order.resize(static_cast<std::size_t>(room));
    std::sort(order.begin(), order.end());
  }
  const std::int64_t share =
      std::max<std::int64_t>(kMinWindowTokens, lane_tokens / static_cast<std::int64_t>(order.size()));
  std::vector<LaneWindow> sample;
  for (const std::uint32_t document : order) {
    Philox rng({.seed = context.seed, .stream = Stream::documents, .a = 1, .b = document});
    if (context.corpus.documents[document].is_group) {
      add_group(candidates(context, static_cast<int>(document), 0), share, context, rng, sample);
      continue;
    }
    const std::vector<std::size_t> windows = candidates(context, static_cast<int>(document), share);
    const std::size_t chosen = windows[rng.below(windows.size())];
    sample.push_back({chosen, std::min(share, context.tokens_in(chosen))});
  }
  return sample;
}

std::vector<std::int64_t> lane_scored(const SweepContext& context, const std::vector<LaneWindow>& sample) {
  std::vector<std::int64_t> scored(context.corpus.documents.size(), 0);
  for (const LaneWindow& lane : sample)
    scored[static_cast<std::size_t>(context.corpus.windows[lane.window].document)] += lane.tokens - 1;
  return scored;
}

std::vector<std::vector<std::size_t>> document_order(const SweepContext& context,
                                                     const std::vector<LaneWindow>& sample) {
  std::vector<std::vector<std::size_t>> documents;
  int last = -1;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const int document = context.corpus.windows[sample[i].window].document;
    if (document != last) documents.emplace_back();
    last = document;
    documents.back().push_back(i);
  }
  std::vector<std::uint32_t> order(documents.size());
  std::iota(order.begin(), order.end(), 0u);
  Philox rng({.seed = context.seed, .stream = Stream::documents, .a = 2});
  shuffle(order, rng);
  std::vector<std::vector<std::size_t>> shuffled;
  for (const std::uint32_t i : order) shuffled.push_back(documents[i]);
  return shuffled;
}

std::vector<LaneWindow> documents_of(const SweepContext& context, const std::vector<LaneWindow>& sample,
                                     int first, int end) {
  if (first == 0 && end == 0) return sample;
  const auto order = document_order(context, sample);
  std::vector<std::size_t> chosen;
  for (std::size_t i = static_cast<std::size_t>(first);
       i < std::min(order.size(), static_cast<std::size_t>(end)); ++i)
    chosen.insert(chosen.end(), order[i].begin(), order[i].end());
  std::sort(chosen.begin(), chosen.end());
  std::vector<LaneWindow> windows;
  for (const std::size_t i : chosen) windows.push_back(sample[i]);
  return windows;
}

std::int64_t LaneCost::passes(const SweepContext& context, const std::vector<LaneWindow>& sample,
                              std::uint64_t lane_memory) const {
  std::int64_t passes = further_runs;
  for (const auto& [documents, count] : lanes_by_documents) {
    const std::uint64_t each = lane_bytes(context, documents_of(context, sample, 0, documents));
    const auto at_once =
        static_cast<std::int64_t>(std::max<std::uint64_t>(1, lane_memory / std::max<std::uint64_t>(1, each)));
    passes += (count + at_once - 1) / at_once;
  }
  return passes;
}

LaneCost lane_cost(const SweepContext& context, const std::vector<LaneWindow>& sample,
                   const MeasureOptions& options) {
  return cost_of(plan_lanes(context.config, options, {}), context, sample);
}

LaneCost segment_lane_cost(const SweepContext& context, const std::vector<LaneWindow>& sample,
                           const MeasureOptions& options, int segments) {
  std::vector<Segment> even;
  for (int i = 0; i < segments; ++i) {
    const int begin = context.config.n_layers * i / segments,
              end = context.config.n_layers * (i + 1) / segments;
    if (begin < end) even.push_back({.begin = begin, .end = end});
  }
  return even.empty() ? LaneCost{} : cost_of(plan_lanes(context.config, options, even), context, sample);
}

std::vector<DoseCurve> measure_curves(const LaneEngineInput& input, const std::vector<Segment>& segments,
                                      const Progress& progress) {
  return run_doses(input, plan_lanes(input.context.config, input.options, segments), progress);
}

}  // namespace strata
