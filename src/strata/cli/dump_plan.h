// What a dump is asked for, and the arrays that follow from it.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "strata/dump/index.h"
#include "strata/dump/rows.h"
#include "strata/record/trace.h"
#include "strata/workflow/text.h"

namespace strata {

struct DumpCommand {
  std::filesystem::path model, output;
  TextOptions text;
  std::vector<std::string> what = {"states"};  ///< "states", "attention", "signals"
  std::vector<std::string> signals;            ///< ids; empty = all of the clean sweep
  std::string layers, mem_limit;
  std::int64_t positions = 0;  ///< sampled rows in all; 0 = every position
  Pool pool = Pool::none;
  ArrayFormat format = ArrayFormat::npy;
  std::uint64_t seed = 0;
  int threads = 1;
  bool resume = false, dry_run = false, quiet = false;

  [[nodiscard]] bool has(std::string_view content) const;
};

void add_dump_flags(CLI::App& app, DumpCommand& command);

/// Throws Error(usage) for what cannot be dumped of a model of `n_layers` blocks; `signals` are the ids of
/// the clean sweep.
void check_dump_command(const DumpCommand& command, const std::vector<std::string>& signals, int n_layers);

/// The index of the whole dump, nothing of it written yet; signals are added when they are measured.
[[nodiscard]] DumpIndex plan_dump(const DumpCommand& command, const Checkpoint& checkpoint,
                                  const Corpus& corpus, const DumpRows& rows);

/// Every series of a record and its CKA matrices, with their values.
[[nodiscard]] std::vector<std::pair<DumpedArray, std::vector<double>>> signal_arrays(const Trace& trace,
                                                                                     ArrayFormat format);
/// Whether an array comes from the record: a series, CKA or a spectrum.
[[nodiscard]] bool is_measured(const DumpedArray& array);
/// Whether an index holds all of these signals, whole.
[[nodiscard]] bool has_signals(const DumpIndex& index, const std::vector<std::string>& ids);

}  // namespace strata
