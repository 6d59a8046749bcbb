// How much of a model's profile over depth is left on shuffled text, or in networks with random weights.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

/// A primary signal over depth: its mean over documents.
struct PrimaryCurve {
  std::string id;
  Axis axis = Axis::block;
  std::vector<double> mean;
};

/// Every series of ordinary tokens that is no control.
[[nodiscard]] std::vector<PrimaryCurve> primary_curves(const Trace& trace);

/// Likeness of two profiles by the medians over their signals: "same" from a correlation of 0.9 and up to a
/// difference of 0.1 on; "different" below 0.5 or above 0.3; else "partly".
inline constexpr double kSameCorrelation = 0.9, kSameDifference = 0.1;
inline constexpr double kOtherCorrelation = 0.5, kOtherDifference = 0.3;
/// Signals with a correlation that a likeness needs.
inline constexpr int kLeastCompared = 3;

struct NullInput {
  std::string kind, note;
  int documents = 0;
  std::int64_t tokens = 0;
  std::vector<NullDetection> detections = {};
  std::vector<PrimaryCurve> model;              ///< what the null is compared with
  bool of_the_record = true;                    ///< whether `model` is what the record's own series say
  std::vector<std::vector<PrimaryCurve>> runs;  ///< the null's curves, of each network or text
};

/// For each signal that the model and all runs have: Spearman's correlation over depth with the runs' mean,
/// and the median over depth of their difference, in units of the range of the model's signal. State 0 is
/// left out: shuffling does not change embeddings. Places that are undefined in one of them are left out;
/// undefined for signals that are constant, or have fewer than three places.
[[nodiscard]] NullProfile null_profile(const NullInput& input);

/// What the profiles of `findings` say, a sentence each, and what the headline's detector says of them.
[[nodiscard]] std::vector<std::string> null_sentences(const Findings& findings);

}  // namespace strata
