// Two versions of one model: what strata compare does with two checkpoints.
#pragma once

#include <filesystem>
#include <string>

#include "strata/sweep/options.h"
#include "strata/theory/divergence.h"
#include "strata/workflow/text.h"

namespace strata {

struct TwinOptions {
  std::filesystem::path original, other, output;
  TextOptions text;
  MeasureOptions measure;
  DivergenceQuestion question;
  std::string mem_limit;
  bool json = false, quiet = false;
};

/// Writes the directory `output` (runs/compare-ORIGINAL-OTHER when empty); returns the exit code.
[[nodiscard]] int compare_twins(const TwinOptions& asked, const std::string& command_line);

}  // namespace strata
