// The nulls that stand beside a run: the same text shuffled, networks with random weights.
#pragma once

#include <filesystem>
#include <string>

#include "strata/record/run_directory.h"
#include "strata/workflow/effort.h"
#include "strata/workflow/null_models.h"
#include "strata/workflow/shuffled_text.h"

namespace strata {

struct NullPlan {
  ShuffledTextPlan text;
  NullModelPlan models;
  NullChoice choice;
  bool models_sampled = false;  ///< the networks see text.sample, not the whole text

  /// What the networks with random weights see.
  [[nodiscard]] MeasureInput models_input(const MeasureInput& input) const;
  /// From the model's checkpoint, by the sweeps of the text.
  [[nodiscard]] std::uint64_t weight_bytes_read() const {
    return static_cast<std::uint64_t>(text.sweeps) * text.one.weight_bytes_read;
  }
};

/// Throws what plan_shuffled_text, null_model_count and plan_null_models throw.
[[nodiscard]] NullPlan plan_nulls(const MeasureInput& input, const MeasureOptions& options,
                                  std::uint64_t mem_limit_bytes, const NullChoice& choice);

/// Their part of the plan that --dry-run prints.
[[nodiscard]] std::string null_plan_text(const NullPlan& plan);

/// Throws Error(run_failed) where `directory` has no room for a network's checkpoint: before hours are spent
/// on the rest.
void require_disk(const NullPlan& plan, const std::filesystem::path& directory);

/// Measures them and puts them into run.findings, whose detections must be there.
void measure_nulls(const MeasureInput& input, const MeasureOptions& options,
                   const SegmentationOptions& segmentation, const NullPlan& plan,
                   const std::filesystem::path& directory, const NullSnapshots& saved,
                   const Progress& progress, Run& run);

}  // namespace strata
