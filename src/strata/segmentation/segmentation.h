// Boundaries between segments of layers: where they are, how many there really are, how sure.
// Works on the record alone (no LibTorch).
#pragma once

#include <cstdint>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

struct SegmentationOptions {
  std::uint64_t seed = 0;
  int surrogates = 999;  ///< per sequential test
  int bootstraps = 200;  ///< residual bootstraps over layers, combined with the record's half-samples
  double alpha = 0.05;
  int threads = 1;
  bool reproductions = true;  ///< run the earlier detectors too
  /// Stops a test as soon as its outcome is certain. Same verdicts, but p-values and null samples are cut
  /// short: for calibration, which only counts verdicts. Of the earlier detectors alone.
  bool decision_only = false;
};

/// Verdicts: "K boundaries" when K edges are selected, "smooth" when none is. The forced split is there all
/// the same: the two edges with the strongest evidence, whatever their p-values. Reproductions also say "not
/// identified" (docs/boundaries.md).
///
/// For both token sets the rule "either" and its detectors "signals" and "states", then the earlier
/// detectors. Each result is defined, or says why not. Same record and options give the same result, whatever
/// the number of threads.
[[nodiscard]] std::vector<Detection> find_boundaries(const Trace& trace, const SegmentationOptions& options);

/// What the detectors say of a record when only the number of boundaries is asked for.
struct RecordCount {
  bool defined = false;
  std::string note;        ///< why not
  double statistic = 0.0;  ///< largest evidence of an edge; of reproductions the gain in BIC of jumps over
                           ///< the best smooth model
  int selected_k = 0;
  std::string verdict;
  std::vector<int> edges;       ///< of the selected boundaries; empty for reproductions
  std::vector<int> forced_two;  ///< the best two-boundary split, empty where the depth has no room for it
};

/// The tests of find_boundaries without intervals, one result for each of its detections, in its order.
[[nodiscard]] std::vector<RecordCount> count_record(const Trace& trace, const SegmentationOptions& options);

/// Ranks the statistic of each detection that `twins` hold too among theirs (one vector of count_record for
/// each network with random weights).
[[nodiscard]] std::vector<RandomTwins> rank_among_twins(const std::vector<Detection>& detections,
                                                        const std::vector<std::vector<RecordCount>>& twins);

/// Index of the detection that carries the headline (the rule on ordinary tokens, if defined), or -1.
[[nodiscard]] int headline_detection(const std::vector<Detection>& detections);

/// Published rules on the same record, labelled; they never carry the headline. For each token set:
/// - v1_mi_drop: every edge e at which the first difference of adjacent_mi, MI_e - MI_{e-1} over blocks, lies
///   more than two standard deviations (over the L-1 differences, divisor L-1) below its mean;
/// - fused_top_two_peaks: the two largest peaks of the length of the fused profile's first difference. A peak
/// is
///   higher than what is on both sides of it, so the first and last edge are none; ties go to the smaller
///   edge.
[[nodiscard]] std::vector<Reproduction> reproduce_published_rules(const Trace& trace);

/// The detector "signals" without each group in turn that it uses, for each token set: does one group of
/// signals alone carry the boundaries?
[[nodiscard]] std::vector<GroupLeftOut> leave_groups_out(const Trace& trace,
                                                         const SegmentationOptions& options);

/// Mean |db| between the two-boundary splits of every pair: the forced splits of the detections, and the
/// reproductions that return exactly two edges. First edges are matched with first, second with second.
[[nodiscard]] std::vector<Agreement> compare_splits(const std::vector<Detection>& detections,
                                                    const std::vector<Reproduction>& reproductions,
                                                    int n_layers);

/// Segments cut by `edges` in a model of `n_layers` blocks; two edges give Local, Intermediate, Global.
[[nodiscard]] std::vector<Segment> segments_from_edges(const std::vector<int>& edges, int n_layers);

}  // namespace strata
