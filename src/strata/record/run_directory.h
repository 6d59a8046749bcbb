// A run directory: results.json, CSV tables and arrays.npz, written by atomic rename and read back.
#pragma once

#include <filesystem>
#include <string>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

struct Run {
  Trace trace;
  Findings findings;
};

/// results.json as text: versioned schema, stable key order, no timings, no NaN literal. Equal runs
/// give equal bytes. Replicates of CKA are not in it (they are in arrays.npz).
[[nodiscard]] std::string results_json(const Run& run);

/// Parses results.json. Throws Error(bad_file) naming the key for anything missing or of the wrong
/// type or size, Error(unsupported) for another schema version.
[[nodiscard]] Run parse_results_json(const std::string& text, const std::string& where);

/// Writes results.json, states.csv, blocks.csv, edges.csv, brittleness.csv and arrays.npz.
void write_run(const std::filesystem::path& directory, const Run& run);

/// Reads results.json and arrays.npz back: write_run then read_run gives the same Run.
[[nodiscard]] Run read_run(const std::filesystem::path& directory);

/// The CSV tables of docs/outputs.md.
[[nodiscard]] std::string states_csv(const Run& run);
[[nodiscard]] std::string blocks_csv(const Run& run);
[[nodiscard]] std::string edges_csv(const Run& run);
[[nodiscard]] std::string brittleness_csv(const Run& run);
[[nodiscard]] std::string rate_distortion_csv(const Run& run);

}  // namespace strata
