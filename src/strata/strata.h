// strata as a library: open a model and a text, analyze, keep or show the result.
//
//   const strata::Model model = strata::Model::open("models/llama-nano");
//   const strata::Text text = strata::load_text(model, {.path = "texts/tales"});
//   const strata::Run run = strata::analyze(model, text);
//
// Everything throws strata::Error, in one line: where, found, expected, what to do. Nothing here prints,
// installs a signal handler or reads the command line. Tensors never leave the library but through
// for_each_state; a Run is plain structs (record/trace.h: what was measured; record/findings.h: what
// follows).
#pragma once

#include <filesystem>
#include <string>

#include "strata/base/error.h"            // Error
#include "strata/record/run_directory.h"  // Run, write_run, read_run, results_json
#include "strata/report/report.h"         // model_report_html
#include "strata/signals/token_signal.h"  // add_token_signal: a signal of one's own
#include "strata/version.h"               // STRATA_VERSION
#include "strata/workflow/analyze.h"      // Request, Resources, analyze, analyze_into
#include "strata/workflow/catalogue.h"    // signals, interventions and backends that there are
#include "strata/workflow/model.h"        // Model, Text, load_text
#include "strata/workflow/states.h"       // for_each_state
