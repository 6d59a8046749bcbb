#include "strata/theory/conclude.h"

#include "strata/theory/brittleness.h"
#include "strata/theory/kappa.h"
#include "strata/theory/rate_distortion.h"
#include "strata/theory/summary.h"

namespace strata {
namespace {

std::vector<int> edges_of(const std::vector<EdgeEstimate>& boundaries) {
  std::vector<int> edges;
  for (const EdgeEstimate& boundary : boundaries) edges.push_back(boundary.edge);
  return edges;
}

}  // namespace

Findings conclude(const Trace& trace, const SegmentationOptions& options) {
  Findings findings;
  findings.detections = find_boundaries(trace, options);
  findings.reproductions = reproduce_published_rules(trace);
  findings.groups_left_out = leave_groups_out(trace, options);
  findings.agreement = compare_splits(findings.detections, findings.reproductions, trace.n_layers());
  findings.headline = headline_detection(findings.detections);
  if (findings.headline >= 0) {
    const Detection& headline = findings.detections[static_cast<std::size_t>(findings.headline)];
    findings.segments_forced = headline.boundaries.empty();
    const auto& chosen = findings.segments_forced ? headline.forced_two : headline.boundaries;
    if (!chosen.empty()) findings.segments = segments_from_edges(edges_of(chosen), trace.n_layers());
  }
  findings.kappa = estimate_kappa(trace);
  findings.brittleness =
      segment_brittleness(trace, findings.segments, findings.kappa,
                          {.seed = options.seed, .forced_segments = findings.segments_forced});
  findings.rate_distortion = rate_distortion(trace, findings.kappa);
  findings.segment_rate_distortion =
      segment_rate_distortion(findings.segments, findings.segments_forced, findings.rate_distortion);
  findings.sentences = headline_sentences(trace, findings);
  return findings;
}

}  // namespace strata
