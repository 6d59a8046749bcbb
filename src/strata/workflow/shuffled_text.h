// A sample of the text with its tokens in another order, and in their own, through the clean sweep: the null
// that `analyze --shuffled-text` asks for.
#pragma once

#include <filesystem>
#include <string>

#include "strata/segmentation/segmentation.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "strata/theory/null_profile.h"

namespace strata {

struct ShuffledTextPlan {
  bool wanted = false;
  bool whole_text = false;  ///< the sample is the text as it was measured: it is swept in shuffled order only
  Corpus sample;
  int sweeps = 0;  ///< of the sample, one pass over the weights each
  MeasurePlan one;
};

/// `asked`: "none", "auto" (a sample of at most 16 documents and 4,096 tokens, in windows of at most 256) or
/// a number of documents, whole. Throws Error(usage), and what plan_measure throws.
[[nodiscard]] ShuffledTextPlan plan_shuffled_text(const MeasureInput& input, const MeasureOptions& options,
                                                  std::uint64_t mem_limit_bytes, const std::string& asked);

/// Where a null's measurement is saved, so that it can be taken up again.
struct NullSnapshots {
  std::filesystem::path directory;
  std::string key;
};

/// The signals that the detectors look at, measured by clean sweeps alone.
[[nodiscard]] MeasureOptions null_sweep_options(const MeasureOptions& options);

struct ShuffledText {
  NullProfile profile;
  std::vector<PrimaryCurve> in_order;  ///< of the sample as it is
};
/// The sweeps, the detectors on the shuffled text, and how much of the profile is left. `trace` is the record
/// of the whole text.
[[nodiscard]] ShuffledText measure_shuffled_text(const MeasureInput& input, const MeasureOptions& options,
                                                 const SegmentationOptions& segmentation,
                                                 const ShuffledTextPlan& plan, const NullSnapshots& saved,
                                                 const Trace& trace, const Progress& progress);

}  // namespace strata
