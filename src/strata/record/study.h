// The record of a study: several runs side by side, what families of models have in common, and what became
// of each prediction of the theory. Definitions and units: docs/theory.md and docs/compare.md.
//
// Natural logarithms. Relative depth of a boundary: edge / L. NaN = undefined (null in JSON).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

inline constexpr int kStudySchemaVersion = 1;
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
inline constexpr Interval kNoInterval{kUndefined, kUndefined};

/// What became of a prediction. A refuted theory is a successful run. `moot`: the prediction speaks of
/// boundaries, and the tests select too few of them for it to be judged.
enum class Outcome { supported, refuted, undecided, moot };
/// Which predictions are adjusted for each other; `descriptive` ones are adjusted for none.
enum class TestSet { within_model, between_model, descriptive };

[[nodiscard]] const char* to_string(Outcome outcome);
[[nodiscard]] const char* to_string(TestSet set);

/// What was asked for; with the runs it decides every number.
struct StudyCard {
  std::string tool_version;
  std::string name;                ///< of the study file without its extension; "runs" without one
  std::string title, source;       ///< the study file's; may be empty
  std::vector<std::string> notes;  ///< what the study file says about itself
  std::uint64_t seed = 0;
  double alpha = 0.05;                         ///< of the adjusted p
  int resamples = 0;                           ///< of documents, locations and surrogates
  int permutations = 0;                        ///< labelings tried at most; below it all of them are
  std::string main_text;                       ///< the text that T1 to T9 are about; T10 takes all
  std::string stable_family, variable_family;  ///< of T4 and T5
};

/// A number of a paper beside ours.
struct ExpectedFigure {
  std::string quantity;       ///< "boundary_cv", ... docs/compare.md
  std::string family;         ///< empty = between the two families of the claim
  double lo = 0.0, hi = 0.0;  ///< the paper's; equal for one number
  std::string source, note;
  double ours_lo = kUndefined, ours_hi = kUndefined;  ///< smallest and largest of ours; NaN = undefined
  std::string ours_note;                              ///< what ours is, or why it is undefined
};

/// A boundary of one run.
struct StudyBoundary {
  int edge = 0;
  double depth = 0.0;  ///< edge / L
  Interval depth_interval_90 = kNoInterval;
  double location_error = 0.0;  ///< SD of its resampled depth and of the grid of edges, 1/(L sqrt 12)
};

/// Brittleness of a segment: means of logarithms over the input states of its blocks.
struct StudySegment {
  Segment segment;
  double ln_kappa = kUndefined;                 ///< relative noise, nats
  Interval ln_kappa_interval_90 = kNoInterval;  ///< over resamples of documents
  double ln_absolute = kUndefined;              ///< absolute noise, nats per squared residual unit
  Interval ln_absolute_interval_90 = kNoInterval;
  double ln_rms_eff = kUndefined;  ///< (ln_kappa - ln_absolute) / 2
  double ln_rms = kUndefined;      ///< of the median token's rms
  double ln_skip_kl = kUndefined;  ///< skipping one of its blocks, nats
  double ln_beta = kUndefined;     ///< compression weight at matched noise
};

/// One run: one model on one text.
struct StudyMember {
  std::string model;     ///< unique name in the study
  std::string family;    ///< "llama", "qwen", or what the study file says
  std::string text;      ///< name of the text
  std::string training;  ///< "base", "instruct", or empty where nobody said
  std::string hub_id, revision, checkpoint_sha256, corpus_sha256;
  int n_layers = 0;
  int hidden = 0;
  std::int64_t parameters = 0;
  std::string detector;  ///< of the headline; empty = no boundaries at all, `note` says why
  int selected_k = 0;
  std::string verdict;                    ///< "2 boundaries", "smooth", ...
  bool forced = false;                    ///< the tests select other than two: only the forced split exists
  std::vector<StudyBoundary> boundaries;  ///< two where the tests select two, else none
  std::vector<StudySegment> segments;     ///< Local, Intermediate, Global between them, or none
  std::vector<double> ln_kappa,
      ln_absolute;                 ///< states 0..L-1, the input of each block; empty = not measured
  std::vector<double> ln_skip_kl;  ///< blocks 0..L-1; likewise
  std::vector<double> ln_beta;     ///< states 0..L-1, at matched noise; likewise
  std::string note;
  /// Description only, whatever the tests select: the best two-boundary split, and the segments it makes.
  std::vector<StudyBoundary> forced_boundaries;
  std::vector<StudySegment> forced_segments;
};

/// One quantity over the models of one family, on the main text.
struct FamilyFigure {
  std::string family;
  std::string quantity;  ///< "b1", "b2" (relative depth), "ln_kappa_Local", ...
  int models = 0;
  double mean = kUndefined, sd = kUndefined;
  Interval sd_interval_90 = kNoInterval;  ///< as if normal (chi-square); NaN below two models
  double cv = kUndefined;                 ///< sd / mean; of relative depths only
  double location_error = kUndefined;     ///< root mean square over models; of relative depths only
  double sd_without_error = kUndefined;   ///< sqrt(max(0, sd^2 - location_error^2))
  double smooth_sd = kUndefined;  ///< median SD of the forced splits of smooth surrogates of the same models
};

/// Spread of a quantity in one family against another.
struct SpreadContrast {
  std::string family, against, quantity;
  double ln_sd_ratio = kUndefined;                 ///< location error removed
  Interval ln_sd_ratio_interval_90 = kNoInterval;  ///< as if normal (F)
  double p_value = kUndefined;  ///< one-sided, labels of deviations from the family's mean exchanged
  std::int64_t labelings = 0;
  double smallest_p = kUndefined;  ///< that this many labelings allow
  double brown_forsythe_f = kUndefined, brown_forsythe_p = kUndefined;
  std::string note;
};

/// Gap between two families in a segment's brittleness, split into function and scale:
/// ln_absolute = ln_kappa + scale, where scale = -2 ln(rms_eff ratio), exactly. All ratios are `family` over
/// `against`, of the same models and states.
struct SegmentGap {
  std::string family, against;
  std::string segment;  ///< "Local", "Intermediate", "Global", or "all blocks", which needs no boundaries
  int models = 0, models_against = 0;
  double ln_kappa = kUndefined;  ///< ln of the ratio of family geometric means, relative noise
  Interval ln_kappa_interval_90 = kNoInterval;
  double ln_absolute = kUndefined;  ///< the same under absolute noise
  Interval ln_absolute_interval_90 = kNoInterval;
  double scale = kUndefined;      ///< -2 ln of the ratio of rms_eff
  double rms_scale = kUndefined;  ///< -2 ln of the ratio of the median tokens' rms
  double remainder = kUndefined;  ///< scale - rms_scale: the rms-gradient correlation
  double smallest_pair = kUndefined, largest_pair = kUndefined;  ///< ln_absolute between single models
  std::string reading;  ///< "scale artefact", ...; empty = nothing to say
  std::string note;     ///< what the interval is over, or why there is none
};

/// What one predictor explains of one response over models, by sequential regression.
struct VarianceShare {
  std::string response;   ///< "b1", "b2", "ln_kappa_Local", ...
  std::string predictor;  ///< "family", "ln_parameters", "n_layers", "hidden", "training"
  double r2_first = kUndefined, p_first = kUndefined;  ///< entered first
  double r2_last = kUndefined, p_last = kUndefined;    ///< entered after the others that fit
  int models = 0;
  std::string note;
};

/// Strata's definition: strong = family explains half of the variance of b with p < alpha and its SD is at
/// most 0.05; weak = its SD is at least 0.15; else undetermined.
struct Dominance {
  std::string family;
  std::string verdict;
  double sd = kUndefined;  ///< of relative depth, both boundaries pooled
  double r2_family = kUndefined, p_value = kUndefined;
  std::string reason;
};

/// One number that belongs to a verdict.
struct Quantity {
  std::string name, unit;
  double value = kUndefined;
  Interval interval_90 = kNoInterval;
  std::string note;
};

struct Verdict {
  std::string id;                                                 ///< "T1"
  std::string title, claim, statistic, null, region, refuted_by;  ///< of the registry, in words
  TestSet set = TestSet::within_model;
  Outcome outcome = Outcome::undecided;
  std::string tag;  ///< "scale artefact", "stable but uninformative"; empty = none
  double effect = kUndefined;
  std::string effect_unit;
  Interval effect_interval_90 = kNoInterval;
  Interval claimed_region = kNoInterval;  ///< of the effect; an open end is NaN
  bool claimed_outside = false;           ///< the claim is that the effect lies outside claimed_region
  double p_value = kUndefined;
  double p_adjusted = kUndefined;  ///< Holm, within the set
  double smallest_p = kUndefined;  ///< that the data allow, whatever they say
  int models = 0;                  ///< that the verdict rests on
  int models_needed = 0;  ///< in each family for between_model, else in all; 0 = not for want of models
  bool forced = false;    ///< rests on forced splits; only in records of before verdicts left these out
  std::string reason;     ///< in words
  std::vector<Quantity> quantities;
  int models_tested = 0;  ///< models whose boundaries the prediction asks for (T10: runs); 0 = it needs none
  int models_selected = 0;  ///< of these, the ones with selected boundaries
  /// Chance that the tests select two boundaries where there are two, at the depths of these models (mean
  /// over them); NaN where the findings do not say.
  double power = kUndefined;
};

/// What forced splits look like, which exist in any model. Description: no p-value and no verdict rests on
/// it.
struct ForcedSplits {
  std::vector<FamilyFigure> families;
  std::vector<SegmentGap> gaps;     ///< without `reading`
  std::vector<Quantity> distances;  ///< mean |db| between the detectors' forced splits, for each model
};

struct Study {
  StudyCard study;
  std::vector<StudyMember> members;
  std::vector<ExpectedFigure> expected;
  std::vector<FamilyFigure> families;
  std::vector<SpreadContrast> spreads;
  std::vector<SegmentGap> gaps;
  std::vector<VarianceShare> variance;
  std::vector<Dominance> dominance;
  std::vector<Verdict> verdicts;
  std::vector<std::string> sentences;  ///< the study in words
  std::vector<std::string> warnings;
  ForcedSplits forced_splits;
};

/// study.json as text: versioned schema, stable key order, no timings, no paths. Equal studies give equal
/// bytes.
[[nodiscard]] std::string study_json(const Study& study);
/// Parses study.json. Throws as parse_results_json does. In files that have no `forced_boundaries`, those of
/// a member that is `forced` are moved there.
[[nodiscard]] Study parse_study_json(const std::string& text, const std::string& where);
/// Tidy table of everything between families: table, family, against, quantity, models, value, lo_90, hi_90,
/// p_value, note; one header line.
[[nodiscard]] std::string families_csv(const Study& study);
/// One row for each prediction.
[[nodiscard]] std::string verdicts_csv(const Study& study);
/// Writes families.csv, verdicts.csv and, last, study.json by atomic rename. Throws Error(run_failed).
void write_study(const std::filesystem::path& directory, const Study& study);
[[nodiscard]] Study read_study(const std::filesystem::path& directory);

}  // namespace strata
