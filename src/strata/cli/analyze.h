// What strata analyze does, for whoever needs a run that is not there yet.
#pragma once

#include <filesystem>
#include <string>

#include "strata/sweep/options.h"
#include "strata/workflow/text.h"

namespace strata {

struct AnalyzeOptions {
  std::filesystem::path model;
  TextOptions text;
  std::filesystem::path output;
  MeasureOptions measure;
  int surrogates = 999;
  std::string mem_limit, layers;
  std::string null_models;             ///< as null_model_count has it
  std::string shuffled_text = "auto";  ///< as plan_shuffled_text has it
  bool bottleneck = false, dry_run = false, quiet = false, json = false;
  bool resume = false;  ///< go on with an unfinished run in `output`; where there is none, begin
  int verbose = 0;
};

/// Measures, concludes, writes the run directory `output` (runs/<model> when empty); returns the exit code.
/// SIGINT and SIGTERM stop it between steps.
[[nodiscard]] int analyze(const AnalyzeOptions& asked, const std::string& command_line);

}  // namespace strata
