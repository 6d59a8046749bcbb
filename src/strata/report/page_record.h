// Records as their pages get them: results.json without the values per document, study.json and
// divergence.json.
#pragma once

#include <string>

#include "strata/record/divergence.h"
#include "strata/record/run_directory.h"
#include "strata/record/study.h"

namespace strata {

/// results.json with, for the page's sake: `page` = "model"; by_doc and weight of the series left out (their
/// mean and standard_error stay), the dose curves averaged over documents (kl, kl_se, nll, nll_se), numbers
/// rounded to six digits, the seed as a string (JavaScript has no 64-bit integers), `command`, and of a run
/// that goes on `growing`.
[[nodiscard]] std::string page_record(const Run& run, const std::string& command,
                                      const std::string& growing = "");

/// study.json with `page` = "study", numbers rounded to six digits, the seed as a string, and `command`.
[[nodiscard]] std::string study_page_record(const Study& study, const std::string& command);

/// divergence.json with `page` = "twins", without series and substitutions (values per document), else
/// likewise.
[[nodiscard]] std::string twins_page_record(const DivergenceRecord& record, const std::string& command);

}  // namespace strata
