// The record as one self-contained HTML page.
#pragma once

#include <string>

#include "strata/record/run_directory.h"

namespace strata {

/// The whole report.html of one model: no network request, opens from disk. `command` is the exact
/// command that repeats the run.
[[nodiscard]] std::string model_report_html(const Run& run, const std::string& command);

}  // namespace strata
