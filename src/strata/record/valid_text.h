// The way of text into a record: names, tokens, policies and sentences may quote files, and files need not be
// UTF-8.
#pragma once

#include "strata/record/divergence.h"
#include "strata/record/run_directory.h"
#include "strata/record/study.h"

namespace strata {

/// Every string of the record becomes valid UTF-8 (base/text.h). To be called once, when the record is whole
/// and before anything is written of it: then the tables, the JSON and the page say the same, and none of
/// them fails.
void make_text_valid(Run& run);
void make_text_valid(Study& study);
void make_text_valid(DivergenceRecord& record);

}  // namespace strata
