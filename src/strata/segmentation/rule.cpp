#include "strata/segmentation/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "strata/segmentation/roughness.h"

namespace strata {
namespace {

constexpr int kSamePlace = 2;                         // blocks
constexpr double kAsked = 1.25, kAskedShallow = 2.5;  // two detectors
constexpr int kShallow = 20;                          // blocks
constexpr const char* kNullName = "layer noise";

std::string verdict_for(std::size_t boundaries) {
  if (boundaries == 0) return "smooth";
  return fmt::format("{} boundar{}", boundaries, boundaries == 1 ? "y" : "ies");
}

Detection frame(const char* detector, TokenSet tokens, int n_layers, DetectorRole role) {
  Detection d{.detector = detector, .tokens = tokens, .verdict = "not identified"};
  d.role = role;
  const auto edges = candidate_edges(n_layers);
  if (!edges.empty()) {
    d.first_edge = edges.front();
    d.last_edge = edges.back();
  }
  return d;
}

void sort_by_edge(std::vector<EdgeEstimate>& edges) {
  std::sort(edges.begin(), edges.end(), [](const auto& a, const auto& b) { return a.edge < b.edge; });
}

EdgeEstimate estimate_of(const StepSearch::Step& step, const char* found_by) {
  EdgeEstimate estimate = step.place;
  estimate.edge = step.edge;
  estimate.evidence = step.evidence;
  estimate.p_value = step.p_value;
  estimate.found_by = found_by;
  return estimate;
}

CountTest test_of(const StepSearch::Step& step, std::size_t k, const std::vector<double>& null_sample,
                  std::size_t surrogates) {
  const auto n = static_cast<double>(surrogates);
  return {.k_null = static_cast<int>(k),
          .null_model = kNullName,
          .statistic = step.evidence,
          .p_value = step.p_value,
          .p_mc_error = std::sqrt(step.p_value * (1.0 - step.p_value) / (1.0 + n)),
          .null_sample = null_sample};
}

void trim(std::string& note) {
  if (note.ends_with("; ")) note.resize(note.size() - 2);
}

// A step and the detector that found it.
struct Found {
  StepSearch::Step step;
  const char* by;
  bool accepted;
};

bool stronger(const Found& a, const Found& b) {
  if (a.accepted != b.accepted) return a.accepted;
  if (a.step.p_value != b.step.p_value) return a.step.p_value < b.step.p_value;
  return a.step.evidence > b.step.evidence;
}

}  // namespace

double p_factor(int n_layers) {
  return n_layers < kShallow ? kAskedShallow : kAsked;
}

Detection detection_of(const StepSearch& search, const char* detector, TokenSet tokens, int n_layers) {
  Detection d = frame(detector, tokens, n_layers, DetectorRole::detector);
  d.used_signals = search.used;
  d.left_out = search.left_out;
  d.note = search.undefined.empty() ? search.note : search.undefined;
  trim(d.note);
  d.defined = search.undefined.empty();
  if (!d.defined) return d;
  d.evidence = search.evidence;
  d.power = search.power;
  d.selected_k = static_cast<int>(search.accepted);
  d.verdict = verdict_for(search.accepted);
  for (std::size_t i = 0; i < search.steps.size(); ++i) {
    // One null for all of them: it stands with the first.
    if (i <= search.accepted)
      d.tests.push_back(test_of(search.steps[i], i, i == 0 ? search.null_sample : std::vector<double>{},
                                search.null_sample.size()));
    if (i < search.accepted) d.boundaries.push_back(estimate_of(search.steps[i], detector));
    if (i < 2 && search.steps.size() >= 2) d.forced_two.push_back(estimate_of(search.steps[i], detector));
  }
  sort_by_edge(d.boundaries);
  sort_by_edge(d.forced_two);
  return d;
}

Detection either_of(const StepSearch& signals, const StepSearch& states, TokenSet tokens, int n_layers,
                    double alpha) {
  Detection d = frame("either", tokens, n_layers, DetectorRole::rule);
  std::vector<Found> found;
  for (const auto& [search, name] : {std::pair{&signals, "signals"}, std::pair{&states, "states"}}) {
    if (!search->undefined.empty()) {
      d.note += fmt::format("without {}: {}; ", name, search->undefined);
      continue;
    }
    d.defined = true;
    d.used_signals.insert(d.used_signals.end(), search->used.begin(), search->used.end());
    d.left_out.insert(d.left_out.end(), search->left_out.begin(), search->left_out.end());
    d.note += search->note;
    if (d.evidence.empty()) d.evidence.assign(search->evidence.size(), 0.0);
    for (std::size_t i = 0; i < search->evidence.size(); ++i)
      d.evidence[i] = std::max(d.evidence[i], search->evidence[i]);
    for (StepSearch::Step step : search->steps) {
      step.p_value = std::min(1.0, step.p_value * p_factor(n_layers));
      const bool accepted = step.p_value <= alpha;
      found.push_back({std::move(step), name, accepted});
    }
  }
  const std::size_t drawn = std::max(signals.null_sample.size(), states.null_sample.size());
  if (d.defined && p_factor(n_layers) / (1.0 + static_cast<double>(drawn)) > alpha) {
    d.note += fmt::format("with {} surrogates no p reaches {:g}: it takes {:.0f}; ", drawn, alpha,
                          std::ceil(p_factor(n_layers) / alpha) - 1.0);
  }
  trim(d.note);
  if (!d.defined) return d;
  d.power = signals.power;
  std::sort(found.begin(), found.end(), stronger);
  std::vector<EdgeEstimate> distinct;
  std::size_t accepted = 0;
  for (const Found& one : found) {
    const auto same = std::find_if(distinct.begin(), distinct.end(), [&](const EdgeEstimate& e) {
      return std::abs(e.edge - one.step.edge) <= kSamePlace;
    });
    if (same != distinct.end()) {
      if (one.accepted && same->found_by != one.by) same->found_by = "both";
      continue;
    }
    distinct.push_back(estimate_of(one.step, one.by));
    accepted += one.accepted ? 1 : 0;
    const bool informative = accepted == distinct.size() || distinct.size() == accepted + 1;
    if (informative) {
      const std::size_t surrogates =
          std::string_view(one.by) == "signals" ? signals.null_sample.size() : states.null_sample.size();
      d.tests.push_back(test_of(one.step, distinct.size() - 1, {}, surrogates));
    }
  }
  d.selected_k = static_cast<int>(accepted);
  d.verdict = verdict_for(accepted);
  d.boundaries.assign(distinct.begin(), distinct.begin() + static_cast<std::ptrdiff_t>(accepted));
  // Where intervals were asked for, a place without resamples was not located.
  const auto located = [](const EdgeEstimate& e) { return !e.histogram.empty(); };
  if (std::any_of(distinct.begin(), distinct.end(), located))
    std::erase_if(distinct, [&](const EdgeEstimate& e) { return !located(e); });
  if (distinct.size() >= 2) d.forced_two.assign(distinct.begin(), distinct.begin() + 2);
  sort_by_edge(d.boundaries);
  sort_by_edge(d.forced_two);
  return d;
}

}  // namespace strata
