// What strata analyze does, for whoever needs a run that is not there yet.
#pragma once

#include <filesystem>
#include <string>

#include "strata/workflow/analyze.h"

namespace strata {

struct AnalyzeOptions {
  std::filesystem::path model;
  TextOptions text;  ///< path empty = the tales that come with strata
  std::filesystem::path output;
  Request request;
  Resources resources;
  std::string mem_limit, layers;
  bool dry_run = false, quiet = false, json = false;
  bool resume = false;  ///< go on with an unfinished run in `output`; where there is none, begin
  int verbose = 0;
};

/// Measures, concludes, writes the run directory `output` (runs/<model> when empty); returns the exit code.
/// SIGINT and SIGTERM stop it between steps.
[[nodiscard]] int analyze(const AnalyzeOptions& asked, const std::string& command_line);

}  // namespace strata
