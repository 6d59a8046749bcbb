// The record as the page gets it: results.json without the values per document.
#pragma once

#include <string>

#include "strata/record/run_directory.h"

namespace strata {

/// results.json with, for the page's sake: by_doc and weight of the series left out (their mean and
/// standard_error stay), the dose curves averaged over documents (kl, kl_se, nll, nll_se), numbers
/// rounded to six digits, the seed as a string (JavaScript has no 64-bit integers), and `command`.
[[nodiscard]] std::string page_record(const Run& run, const std::string& command);

}  // namespace strata
