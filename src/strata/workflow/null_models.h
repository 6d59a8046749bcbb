// Networks of a checkpoint's architecture with random weights, measured on the same text: the null that
// `analyze --null-models` asks for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strata/segmentation/segmentation.h"
#include "strata/sweep/measure.h"
#include "strata/theory/null_profile.h"
#include "strata/workflow/null_count.h"
#include "strata/workflow/shuffled_text.h"

namespace strata {

struct NullModelPlan {
  int count = 0;
  std::string note;              ///< why none are made by default
  std::uint64_t disk_bytes = 0;  ///< of one network, while it is measured; 0 where none is asked for
  std::uint64_t bytes_read = 0;  ///< in all
  double flops = 0.0;            ///< in all
};
/// Throws what plan_measure throws, and Error(usage) where no network of this architecture can be made (a
/// GGUF file whose rope factors are given without their formula).
[[nodiscard]] NullModelPlan plan_null_models(const MeasureInput& input, const MeasureOptions& options,
                                             std::uint64_t mem_limit_bytes, const NullModelCount& count);

/// What one network says: the tests, and its signals over depth.
struct NullModel {
  std::vector<RecordCount> counts;
  std::vector<PrimaryCurve> curves;
};

/// Writes each network to a directory of its own in `directory`, opens it, removes the directory, and puts it
/// through the clean sweep and the tests. Weights depend on options.seed and the network's number alone. A
/// network that was measured before (`saved`) is not made again.
[[nodiscard]] std::vector<NullModel> measure_null_models(
    const MeasureInput& input, const MeasureOptions& options, const SegmentationOptions& segmentation,
    int count, const std::filesystem::path& directory, const NullSnapshots& saved, const Progress& progress);

}  // namespace strata
