#include "strata/theory/conclude.h"

#include "strata/theory/brittleness.h"
#include "strata/theory/carriers.h"
#include "strata/theory/critical.h"
#include "strata/theory/edge_changes.h"
#include "strata/theory/embedding.h"
#include "strata/theory/kappa.h"
#include "strata/theory/odd_blocks.h"
#include "strata/theory/rate_distortion.h"
#include "strata/theory/segment_names.h"
#include "strata/theory/split.h"
#include "strata/theory/summary.h"

namespace strata {
namespace {

std::vector<int> edges_of(const std::vector<EdgeEstimate>& boundaries) {
  std::vector<int> edges;
  for (const EdgeEstimate& boundary : boundaries) edges.push_back(boundary.edge);
  return edges;
}

}  // namespace

Findings find_segments(const Trace& trace, const SegmentationOptions& options) {
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
    find_ends(trace, findings);
    if (!chosen.empty())
      findings.segments = named_segments(trace, edges_of(chosen), findings.segments_forced, findings.start_up,
                                         findings.read_out);
  }
  findings.edge_changes = edge_changes(trace, findings, options);
  findings.odd_blocks = odd_blocks(trace, options);
  return findings;
}

void add_brittleness(const Trace& trace, std::uint64_t seed, Findings& findings) {
  findings.splits = split_states(trace);
  findings.doses = summarise_doses(trace);
  if (trace.model.has_head()) {
    findings.kappa = estimate_kappa(trace);
    findings.brittleness = segment_brittleness(
        trace, findings.segments, findings.kappa,
        {.seed = seed, .forced_segments = findings.segments_forced, .splits = findings.splits});
  } else {
    add_embedding_brittleness(trace, seed, findings);
  }
  findings.rate_distortion = rate_distortion(trace, findings.kappa);
  findings.segment_rate_distortion =
      segment_rate_distortion(findings.segments, findings.segments_forced, findings.rate_distortion);
  findings.carriers = carrier_events(trace);
  findings.sentences = headline_sentences(trace, findings);
}

Findings conclude(const Trace& trace, const SegmentationOptions& options,
                  const std::vector<std::vector<RecordCount>>& twins) {
  Findings findings = find_segments(trace, options);
  findings.random_twins = rank_among_twins(findings.detections, twins);
  add_brittleness(trace, options.seed, findings);
  return findings;
}

}  // namespace strata
