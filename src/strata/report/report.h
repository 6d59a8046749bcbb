// Records as self-contained HTML pages: no network request, they open from disk. `command` is the exact
// command that repeats what the page shows.
#pragma once

#include <string>

#include "strata/record/divergence.h"
#include "strata/record/run_directory.h"
#include "strata/record/study.h"

namespace strata {

/// The whole report.html of one model. `growing`: of a run that goes on, what to say of that; else empty.
[[nodiscard]] std::string model_report_html(const Run& run, const std::string& command,
                                            const std::string& growing = "");

/// The whole report.html of a study: several runs side by side, and the verdicts.
[[nodiscard]] std::string study_report_html(const Study& study, const std::string& command);

/// The whole report.html of two twins, a model and its quantized or edited version.
[[nodiscard]] std::string twins_report_html(const DivergenceRecord& record, const std::string& command);

}  // namespace strata
