#include "strata/sweep/lanes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

constexpr int kFewExperts = 16;  // of a block: as many curves of `all`
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Plan {
  std::vector<DoseCurve> curves;
  std::vector<Lane> lanes;               // by fork
  std::vector<std::size_t> curve_of;     // per lane
  std::vector<std::size_t> strength_of;  // per lane
};

// Where an intervention acts.
struct LanePlace {
  int begin = 0, span = 1, head = -1;
};

bool wanted(const MeasureOptions& options, int place) {
  return options.layers.empty() ||
         std::find(options.layers.begin(), options.layers.end(), place) != options.layers.end();
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

std::vector<LanePlace> places_of(const Intervention& what, const ModelConfig& config,
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
    if (!wanted(options, place) || !has_object(what, config, place)) continue;
    const int parts = parts_of(what, config, place, options);
    for (int part = parts < 0 ? -1 : 0; part < std::max(parts, 0); ++part)
      places.push_back({place, what.span, part});
  }
  return places;
}

DoseCurve empty_curve(const Intervention& what, const LanePlace& place) {
  DoseCurve curve;
  curve.intervention = what.id;
  curve.site = to_string(what.site);
  curve.strength_unit = what.strength_unit;
  curve.axis = what.site == Site::state ? Axis::state : Axis::block;
  curve.place = place.begin;
  curve.span = place.span;
  curve.head = place.head;
  curve.continuous = what.continuous;
  curve.strength.assign(what.strengths.begin(), what.strengths.end());
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

Plan plan_lanes(const ModelConfig& config, const MeasureOptions& options,
                const std::vector<Segment>& segments) {
  Plan plan;
  std::vector<std::pair<Lane, std::pair<std::size_t, std::size_t>>> lanes;
  for (const Intervention* what : selected_interventions(options)) {
    for (const LanePlace& place : places_of(*what, config, options, segments)) {
      plan.curves.push_back(empty_curve(*what, place));
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

LaneCost cost_of(const Plan& plan, const ModelConfig& config) {
  LaneCost cost{.lanes = static_cast<std::int64_t>(plan.lanes.size()),
                .extra_blocks = lane_extra_blocks(plan.lanes)};
  for (const Lane& lane : plan.lanes) cost.blocks += config.n_layers - lane.fork;
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

LaneCost lane_cost(const SweepContext& context, const MeasureOptions& options) {
  return cost_of(plan_lanes(context.config, options, {}), context.config);
}

LaneCost segment_lane_cost(const SweepContext& context, const MeasureOptions& options, int segments) {
  std::vector<Segment> even;
  for (int i = 0; i < segments; ++i) {
    const int begin = context.config.n_layers * i / segments,
              end = context.config.n_layers * (i + 1) / segments;
    if (begin < end) even.push_back({.begin = begin, .end = end});
  }
  return even.empty() ? LaneCost{} : cost_of(plan_lanes(context.config, options, even), context.config);
}

std::vector<DoseCurve> measure_curves(const LaneEngineInput& input, const std::vector<Segment>& segments,
                                      const Progress& progress) {
  Plan plan = plan_lanes(input.context.config, input.options, segments);
  const std::size_t documents = input.context.corpus.documents.size();
  std::vector<std::size_t> document_of;
  for (const LaneWindow& w : input.sample)
    document_of.push_back(static_cast<std::size_t>(input.context.corpus.windows[w.window].document));
  const std::vector<std::int64_t> scored_of = lane_scored(input.context, input.sample);
  for (DoseCurve& curve : plan.curves) {
    curve.kl_nats = Matrix(documents, curve.strength.size(), kNaN);
    for (const std::size_t d : document_of)
      for (std::size_t s = 0; s < curve.strength.size(); ++s) curve.kl_nats(d, s) = 0.0;
    curve.delta_nll_nats = curve.top1_agreement = curve.kl_nats;
    if (input.context.config.has_head) continue;
    curve.embedding_distance = std::move(curve.kl_nats);
    curve.kl_nats = curve.delta_nll_nats = curve.top1_agreement =
        Matrix(documents, curve.strength.size(), kNaN);
    curve.note = kNoHead;
  }
  const auto damage = run_lanes(input, plan.lanes, progress);
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) {
    DoseCurve& curve = plan.curves[plan.curve_of[i]];
    const std::size_t s = plan.strength_of[i];
    const double signs = plan.lanes[i].edit.intervention->antithetic ? 2.0 : 1.0;
    for (std::size_t w = 0; w < input.sample.size(); ++w) {
      const std::size_t d = document_of[w];
      if (!input.context.config.has_head) {
        const auto windows = static_cast<double>(std::count(document_of.begin(), document_of.end(), d));
        curve.embedding_distance(d, s) += damage[i][w].distance / (windows * signs);
        continue;
      }
      const double scored = static_cast<double>(scored_of[d]) * signs;
      curve.kl_nats(d, s) += damage[i][w].kl / scored;
      curve.delta_nll_nats(d, s) += damage[i][w].delta_nll / scored;
      // Logits that overflow have no largest one.
      curve.top1_agreement(d, s) +=
          std::isfinite(damage[i][w].kl) ? static_cast<double>(damage[i][w].same_top) / scored : kNaN;
    }
  }
  return std::move(plan.curves);
}

}  // namespace strata
