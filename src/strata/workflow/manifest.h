// manifest.json: how a run was made. Timings and memory live here, so that results.json does not change
// from one run to the next.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/base/state_store.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/plan.h"

namespace strata {

struct ManifestInput {
  std::string command_line;
  MeasureOptions options;
  MeasurePlan plan;
  std::uint64_t mem_limit_bytes = 0;
  std::uint64_t bytes_read = 0;                         ///< of the weights
  std::uint64_t least_reads = 0, most_reads = 0;        ///< how often a byte of them was read
  std::vector<std::pair<std::string, double>> seconds;  ///< per phase
  std::uint64_t peak_rss_bytes = 0;
  StateStore::Traffic spilled;  ///< of temporary files

  /// Takes the bytes that were read from the checkpoint.
  void set_reads(const Checkpoint& checkpoint);
};

[[nodiscard]] std::string manifest_json(const Run& run, const ManifestInput& input);

/// The command line recorded in a run directory's manifest.json; throws Error(bad_file).
[[nodiscard]] std::string command_of_manifest(const std::string& text, const std::string& where);

}  // namespace strata
