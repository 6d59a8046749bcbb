// The detector on signals without one group of them.
#include <algorithm>
#include <array>

#include "strata/segmentation/layer_series.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/rule.h"
#include "strata/segmentation/segmentation.h"
#include "strata/segmentation/step_detector.h"

namespace strata {
namespace {

constexpr std::array kGroups = {Group::attention, Group::representation, Group::information, Group::output};
constexpr std::uint32_t kStreams = 100;  // those of find_boundaries are below

GroupLeftOut run_without(const Trace& trace, TokenSet tokens, Group group,
                         const SegmentationOptions& options) {
  GroupLeftOut result{.group = group,
                      .tokens = tokens,
                      .note = {},
                      .verdict = "not identified",
                      .edges = {},
                      .forced_two = {}};
  SearchOptions search{.common = options, .intervals = false, .without = &group};
  search.stream = kStreams + 2 * static_cast<std::uint32_t>(group) + (tokens == TokenSet::all ? 1u : 0u);
  const Detection detection =
      detection_of(search_signals(trace, tokens, search), "signals", tokens, trace.n_layers());
  result.defined = detection.defined;
  result.note = detection.note;
  if (!result.defined) return result;
  result.verdict = detection.verdict;
  result.selected_k = detection.selected_k;
  for (const EdgeEstimate& boundary : detection.boundaries) result.edges.push_back(boundary.edge);
  for (const EdgeEstimate& edge : detection.forced_two) result.forced_two.push_back(edge.edge);
  return result;
}

}  // namespace

std::vector<GroupLeftOut> leave_groups_out(const Trace& trace, const SegmentationOptions& options) {
  std::vector<GroupLeftOut> results;
  if (candidate_edges(trace.n_layers()).empty()) return results;  // the detections say why
  for (const TokenSet tokens : {TokenSet::ordinary, TokenSet::all}) {
    const LayerSeries whole = layer_series(trace, tokens, options.seed, 0);
    for (const Group group : kGroups) {
      if (std::find(whole.group.begin(), whole.group.end(), group) != whole.group.end())
        results.push_back(run_without(trace, tokens, group, options));
    }
  }
  return results;
}

}  // namespace strata
