// What was concluded from a record: boundaries, brittleness, and how sure. Computed right of the
// record (segmentation, theory), stored beside it in results.json.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "strata/base/matrix.h"
#include "strata/record/trace.h"

namespace strata {

inline constexpr double kUndefinedValue = std::numeric_limits<double>::quiet_NaN();

struct Interval {
  double lo = 0.0;
  double hi = 0.0;
};

/// One step of the sequential test: `k_null` jumps (0 = the best smooth model) against one more.
struct CountTest {
  int k_null = 0;
  std::string null_model;           ///< "quadratic", "1 jump", ...
  double statistic = 0.0;           ///< gain in fit, see docs/boundaries.md
  double p_value = 1.0;             ///< (1 + exceedances) / (1 + surrogates)
  double p_mc_error = 0.0;          ///< Monte Carlo standard error of p_value
  std::vector<double> null_sample;  ///< the surrogates' statistics, sorted
};

/// Fit of K jumps, and of the smooth models (k = -1, named).
struct ModelFit {
  int k = 0;
  std::string name;  ///< "2 jumps", "quadratic"
  std::vector<int> edges;
  double sse = 0.0;
  double bic_ar1 = 0.0;        ///< BIC with AR(1) likelihood; NaN = not computed
  double leave_one_out = 0.0;  ///< leave-one-layer-out mean squared prediction error; NaN = not computed
};

struct EdgeEstimate {
  int edge = 0;
  Interval interval_90;               ///< in edges
  double modal_share = 0.0;           ///< share of resamples that put the boundary exactly here
  std::vector<double> histogram;      ///< share of resamples per edge 1..L-1 (index 0 = edge 1)
  double evidence = kUndefinedValue;  ///< of the edge, in units of its 5% threshold; NaN = old detectors
  double p_value = kUndefinedValue;   ///< of that evidence anywhere in the depth
  std::string found_by;               ///< "signals", "states", "both" of the rule `either`; else empty
};

/// How often the detector on signals finds both of two steps, a third and two thirds down, that every signal
/// has, in noise like this record's.
struct PowerPoint {
  double sigmas = 0.0;  ///< size of the steps in layer sigmas: roughness from block to block / sqrt 2
  double share = 0.0;   ///< of simulated records in which both are significant, within one block
};

/// What a detector is for.
///   rule: decides; an edge is a boundary when one of the detectors says so
///   detector: the two sources of evidence that the rule looks at
///   reproduction: earlier detectors, kept for comparison; they decide nothing
enum class DetectorRole { rule, detector, reproduction };

/// What one detector says about one token set.
struct Detection {
  std::string detector;  ///< "either" (the rule), "signals", "states"; reproductions: "kernel_cka", "fused"
  TokenSet tokens = TokenSet::ordinary;
  bool defined = false;  ///< false: `note` says why there is nothing
  std::string note;
  std::string verdict;  ///< in words: "2 boundaries", "smooth", "not identified"
  int selected_k = 0;
  std::vector<EdgeEstimate> boundaries;  ///< of the selected K
  std::vector<EdgeEstimate> forced_two;  ///< best two-boundary split, always printed as "forced"
  std::vector<CountTest> tests;
  std::vector<ModelFit> fits;
  std::vector<double> k_stability;  ///< share of document half-samples whose best K (by BIC) is 0, 1, ...
  std::vector<std::string> used_signals;
  std::vector<std::string> left_out;  ///< "lens_kl: MAD is 0"
  DetectorRole role = DetectorRole::reproduction;
  /// Evidence per edge 1..L-1 (index 0 = edge 1), in units of its 5% threshold; empty for reproductions.
  std::vector<double> evidence;
  std::vector<PowerPoint> power;  ///< of the signals; empty for other detectors
  int first_edge = 0,
      last_edge = 0;  ///< edges that can be boundaries: start-up and read-out lie outside; 0 = all
};

/// What a published rule returns on the same record: for comparison, never the headline.
struct Reproduction {
  std::string rule;  ///< "v1_mi_drop", "fused_top_two_peaks"
  TokenSet tokens = TokenSet::ordinary;
  bool defined = false;  ///< false: `note` says why
  std::string note;
  std::vector<int> edges;          ///< ascending
  std::vector<double> difference;  ///< what the rule looks at, per edge 1..L-1 (index 0 = edge 1)
  double threshold = 0.0;          ///< v1_mi_drop: edges lie below it; NaN for a rule without one
};

/// The fused detector without one group of signals.
struct GroupLeftOut {
  Group group = Group::attention;
  TokenSet tokens = TokenSet::ordinary;
  bool defined = false;  ///< false: `note` says why
  std::string note;
  std::string verdict;
  int selected_k = 0;
  std::vector<int> edges;       ///< of the selected K
  std::vector<int> forced_two;  ///< the best two-boundary split
};

/// How far apart the two-boundary splits of the detectors and reproductions are.
struct Agreement {
  TokenSet tokens = TokenSet::ordinary;
  std::vector<std::string> detectors;
  Matrix distance;   ///< detectors x detectors, mean |db| of matched edges in relative depth; NaN = undefined
  std::string note;  ///< who has no two-boundary split
};

/// Networks of the same architecture with random weights, on the same text and through the same detector:
/// what the detector says of a network that has learnt nothing.
struct RandomTwins {
  std::string detector;
  TokenSet tokens = TokenSet::ordinary;
  bool defined = false;  ///< false: `note` says why
  std::string note;
  double observed = 0.0;             ///< gain in BIC of jumps over the best smooth model, in this model
  std::vector<double> statistic;     ///< the same in each twin; NaN = its detection is undefined
  std::vector<int> selected_k;       ///< of each twin
  std::vector<std::string> verdict;  ///< of each twin
  Matrix forced_two;                 ///< twins x 2: edges of its best two-boundary split; NaN = undefined
  int rank = 0;  ///< of `observed` among all, 1 = largest gain; ties count against this model
  double p_value = std::numeric_limits<double>::quiet_NaN();  ///< rank / (twins + 1)
};

inline constexpr const char* kShuffledText = "shuffled text";
inline constexpr const char* kRandomWeights = "random weights";

/// One primary signal (ordinary tokens, no control) on a null, beside the same signal of the model.
struct NullSeries {
  std::string id;
  Axis axis = Axis::block;
  std::vector<double> mean;       ///< of the null, per place; of several networks their mean
  std::vector<double> low, high;  ///< of several networks the smallest and largest; else empty
  std::vector<double> model;      ///< what it is compared with; empty = the mean of the record's own series
  double correlation = kUndefinedValue;  ///< Spearman's, over depth without state 0; NaN = undefined
  double difference = kUndefinedValue;   ///< median |null - model| over depth, in the model's own range
};

/// What a detector says of a null.
struct NullDetection {
  std::string detector;
  TokenSet tokens = TokenSet::ordinary;
  bool defined = false;  ///< false: `note` says why
  std::string note, verdict;
  int selected_k = 0;
  std::vector<int> edges;  ///< of the selected K
};

/// The same measurement where there is nothing to be found: on shuffled text, or in networks with random
/// weights. How much of the profile is left says what it comes from.
struct NullProfile {
  std::string kind;  ///< kShuffledText, kRandomWeights
  int runs = 0;      ///< networks or texts that were measured; 0 = none, `note` says why
  int documents = 0;
  std::int64_t tokens = 0;
  std::string note;                       ///< what the sample was
  std::vector<NullDetection> detections;  ///< of shuffled text; those of random weights: RandomTwins
  std::vector<NullSeries> series;
  int compared = 0;                             ///< series with a correlation
  double median_correlation = kUndefinedValue;  ///< over those
  double median_difference = kUndefinedValue;
  std::string likeness;  ///< "same", "partly", "different"; empty = undefined
};

/// A half-open range of blocks.
struct Segment {
  std::string name;  ///< what happens in it, "Segment 1" ..., or "Forced 1" ...; see theory/segment_names.h
  int begin = 0, end = 0;
};

/// Relative sensitivity of one state: kappa = lim (2/eps^2) KL.
struct KappaEstimate {
  int state = 0;
  double kappa = 0.0;           ///< nats, by `estimator`; NaN = no quadratic range
  double standard_error = 0.0;  ///< over documents
  std::vector<double> strengths_used;
  double critical_strength = 0.0;           ///< eps at which perplexity doubles; NaN = not reached
  double critical_error = kUndefinedValue;  ///< its jackknife standard error over documents
  double fisher = std::numeric_limits<double>::quiet_NaN();  ///< the same quantity by the backward sweep; NaN
                                                             ///< = not measured
  double fisher_error = std::numeric_limits<double>::quiet_NaN();  ///< its standard error over documents
  /// Mean over documents of (kappa - fisher) in its standard errors, each document compared with itself; NaN
  /// where one of the two is missing.
  double difference_z = std::numeric_limits<double>::quiet_NaN();
  /// The same curvature of the change of NLL, from the lanes.
  double nll = kUndefinedValue, nll_error = kUndefinedValue;
  /// Under absolute noise, per squared residual unit: of KL by the backward sweep, of KL and of the change of
  /// NLL from the lanes of "absolute_noise". Errors over documents.
  double absolute_fisher = kUndefinedValue, absolute_fisher_error = kUndefinedValue;
  double absolute = kUndefinedValue, absolute_error = kUndefinedValue;
  double absolute_nll = kUndefinedValue, absolute_nll_error = kUndefinedValue;
  std::string estimator = "lanes";  ///< of `kappa`: "backward" where no noise lanes were run at this state,
                                    ///< or they are a check (theory/kappa.h)
  /// Of the noise lanes that check it, where `estimator` is "backward": over their documents.
  double check = kUndefinedValue, check_error = kUndefinedValue;
  std::string note;
};

/// What an absolute sensitivity is made of at one state, from the backward sweep: absolute = kappa /
/// rms_effective^2 exactly. A value per document, NaN for documents outside the lane sample.
struct StateSplit {
  int state = 0;
  double kappa = kUndefinedValue;          ///< relative sensitivity, nats
  double absolute = kUndefinedValue;       ///< B_abs, nats per squared residual unit
  double rms_effective = kUndefinedValue;  ///< sqrt(kappa / absolute): RMS weighted by the squared gradient
  double rms_median = kUndefinedValue;     ///< plain median RMS of the ordinary tokens (series residual_rms)
  double correlation = kUndefinedValue;    ///< ln(rms_effective / rms_median): "rms-gradient correlation"
  std::vector<double> kappa_by_doc, absolute_by_doc, rms_effective_by_doc, rms_median_by_doc;
  std::string note;
};

/// What one dose curve comes to.
struct DoseSummary {
  std::string intervention, site, strength_unit;
  Axis axis = Axis::state;
  int place = 0, span = 1, head = -1;          ///< as in the curve
  double critical_strength = kUndefinedValue;  ///< at which perplexity doubles; NaN = not reached, see note
  double critical_error = kUndefinedValue;     ///< its jackknife standard error over documents
  std::string note;
};

/// A segment's mean over the input states of its blocks of one kind of sensitivity.
struct SegmentMean {
  std::string noise;      ///< "relative", "absolute"
  std::string measure;    ///< "kl", "nll"
  std::string estimator;  ///< "lanes", "backward"
  double geometric = kUndefinedValue, arithmetic = kUndefinedValue;
  std::string note;
};

struct SegmentBrittleness {
  Segment segment;
  bool forced = false;           ///< the segment comes from the forced two-boundary split
  double kappa_geometric = 0.0;  ///< over the input states of the segment's blocks
  double kappa_arithmetic = 0.0;
  Interval kappa_interval_90;  ///< of the geometric mean, over documents
  double skip_kl_nats = 0.0;   ///< mean KL of skipping one of its blocks
  /// kappa under noise at all of the segment's states at once, its power divided by their number.
  double kappa_joint = kUndefinedValue, kappa_joint_error = kUndefinedValue;
  std::vector<SegmentMean> means;          ///< (relative, absolute) x (kl, nll), by estimator
  double rms_effective = kUndefinedValue;  ///< geometric mean over the states; see StateSplit
  double rms_median = kUndefinedValue;
  std::string note;
};

/// Relative sensitivity of one state in a model without a head: lim (2/eps^2) (1 - cosine) of the embedding,
/// which is the mean of |du|^2/eps^2, u the embedding of length 1. No unit; NaN = undefined.
struct EmbeddingSensitivity {
  int state = 0;
  double value = kUndefinedValue;           ///< by `estimator`
  double standard_error = kUndefinedValue;  ///< over documents
  std::vector<double> strengths_used;
  double backward = kUndefinedValue, backward_error = kUndefinedValue;  ///< the same by the backward sweep
  double difference_z = kUndefinedValue;                                ///< as KappaEstimate's
  /// Under absolute noise, per squared residual unit: from the lanes of "absolute_noise", and backward.
  double absolute = kUndefinedValue, absolute_error = kUndefinedValue;
  double absolute_backward = kUndefinedValue, absolute_backward_error = kUndefinedValue;
  std::string estimator = "lanes";  ///< of `value`: "backward" where no noise lanes were run at this state
  std::string note;
};

/// Means of it over the input states of a segment's blocks, and what skipping a block does to the embedding.
struct SegmentEmbedding {
  Segment segment;
  bool forced = false;  ///< the segment comes from the forced two-boundary split
  double geometric = kUndefinedValue, arithmetic = kUndefinedValue;
  Interval interval_90{kUndefinedValue, kUndefinedValue};  ///< of the geometric mean, over documents
  double skip_distance = kUndefinedValue;                  ///< mean 1 - cosine of skipping one of its blocks
  double joint = kUndefinedValue, joint_error = kUndefinedValue;  ///< as SegmentBrittleness::kappa_joint
  std::string note;
};

/// The Gaussian channel z = h/rms + eps xi at one noise level. NaN = undefined.
struct RatePoint {
  double strength = 0.0;             ///< eps, in token rms
  double rate_nats = 0.0;            ///< R, an upper bound on the information per token
  double rate_error = 0.0;           ///< of the spectrum's sketch; 0 = exact
  double distortion_nats = 0.0;      ///< D, KL per token
  double distortion_error = 0.0;     ///< over documents
  double effective_dimension = 0.0;  ///< m = -dR / d ln eps
  double beta = 0.0;                 ///< compression weight -dD/dR
  double ln_beta_error = 0.0;        ///< standard error of ln beta over documents
};

/// The same where the distortion, not the noise, is given.
struct MatchedPoint {
  double distortion_nats = 0.0;
  double strength = 0.0;
  double rate_nats = 0.0;
  double effective_dimension = 0.0;
  double beta = 0.0;
};

struct RateDistortion {
  std::vector<RatePoint> points;      ///< by rising strength
  std::vector<MatchedPoint> matched;  ///< one for each of kMatchedDistortion
  std::string note;
};

struct StateRateDistortion {
  int state = 0;
  RateDistortion curve;
};

struct SegmentRateDistortion {
  Segment segment;
  bool forced = false;  ///< the segment comes from the forced two-boundary split
  RateDistortion curve;
};

/// Something that a few tokens carry from one block to another.
struct CarrierEvent {
  /// "rogue_dimension": one residual dimension of few ordinary tokens holds much of a state's energy.
  /// "sink": tokens are massive.
  std::string kind;
  bool first_position = false;     ///< sink: the tokens at position 0 of the windows
  std::vector<std::string> words;  ///< texts, or ids without a tokenizer; empty = several
  int dimension = 0;               ///< of the energy; of a sink: where its largest component is
  int first_state = 0, last_state = 0;
  std::vector<int> written_by;  ///< blocks that make it; empty = the embedding does
  std::vector<int> removed_by;  ///< blocks that take it away; empty = none: it stays, or the rest outgrows it
  double token_share = 0.0;     ///< rogue: of the tokens; sink: of the windows, or of the word's occurrences
  double peak_share =
      kUndefinedValue;  ///< rogue: largest share of a state's energy that those tokens hold in it
  double before = kUndefinedValue,
         after = kUndefinedValue;       ///< sink: median |h| before and after it is written
  double peak_ratio = kUndefinedValue;  ///< sink: RMS over the median token's, at most
};

/// What one signal does at an edge.
struct SignalChange {
  std::string signal, unit;
  Group group = Group::attention;
  double before = kUndefinedValue, after = kUndefinedValue;     ///< medians of up to 4 blocks on each side,
                                                                ///< inside the segments, in its unit
  double step = kUndefinedValue;                                ///< after - before
  Interval step_interval_90{kUndefinedValue, kUndefinedValue};  ///< over half-samples of the documents
  double step_sigmas = 0.0;  ///< the step at the edge itself, what the drift beside it explains taken off, on
                             ///< the signal's smooth scale in units of its roughness from block to block
  double slope_before = kUndefinedValue, slope_after = kUndefinedValue;  ///< unit per block; NaN = one block
  double gain = 0.0;                                                     ///< of step_sigmas: step_gain
};

/// What the signals of one group contribute to an edge.
struct GroupGain {
  Group group = Group::attention;
  double gain = 0.0;   ///< mean gain of its signals
  double share = 0.0;  ///< of the sum of these means over groups
};

/// What changes at one edge.
struct EdgeChange {
  int edge = 0;
  bool forced = false;  ///< an edge of the forced split, which is no boundary
  bool lasting = true;  ///< false: the blocks behind it return to where those before it were (an odd block)
  std::string with_sinks;  ///< "yes": the rule finds it with sink tokens as well, within 2 blocks; "no";
                           ///< empty: undefined there, or forced
  double state_jump = kUndefinedValue;   ///< 1 - CKA of the outputs on both sides of the edge
  double state_usual = kUndefinedValue;  ///< its median over the edges up to 4 away
  std::vector<SignalChange> signals;     ///< of the ordinary tokens
  std::vector<GroupGain> groups;         ///< largest gain first
  std::string sentence;
};

/// A block whose signals are off and come back.
struct OddBlock {
  int block = 0;
  double evidence = 0.0;  ///< in units of its 5% threshold anywhere in the depth
  double p_value = 1.0;
  std::vector<std::string> signals;  ///< those that are off, most first
};

struct Findings {
  std::vector<Detection> detections;
  std::vector<Reproduction> reproductions;
  std::vector<GroupLeftOut> groups_left_out;
  std::vector<Agreement> agreement;
  std::vector<RandomTwins> random_twins;  ///< one for each detection; empty = none were made
  std::vector<NullProfile> null_profiles;
  int headline = -1;              ///< index into detections of the headline, -1 = none defined
  std::vector<Segment> segments;  ///< of the headline when it has boundaries, else of its forced split
  bool segments_forced = false;
  Segment start_up, read_out;  ///< leading and trailing blocks unlike the others, in no segment; begin = end:
                               ///< none
  std::vector<EdgeChange> edge_changes;  ///< of the headline's boundaries, then of its forced split
  std::vector<OddBlock> odd_blocks;
  std::vector<KappaEstimate> kappa;  ///< per state, ordinary tokens noised
  std::vector<StateSplit> splits;    ///< per state, of the backward sweep
  std::vector<DoseSummary> doses;    ///< one for each curve, in their order
  std::vector<SegmentBrittleness> brittleness;
  std::vector<EmbeddingSensitivity> embedding;       ///< per state, without a head; else empty
  std::vector<SegmentEmbedding> embedding_segments;  ///< per segment, without a head; else empty
  std::vector<StateRateDistortion> rate_distortion;
  std::vector<SegmentRateDistortion> segment_rate_distortion;
  std::vector<CarrierEvent> carriers;  ///< rogue dimensions, then sinks
  std::vector<std::string> sentences;  ///< the headline in words, one sentence each
};

[[nodiscard]] const char* to_string(DetectorRole role);

}  // namespace strata
