// A run that is not finished: DIR/partial holds what it has done so far and what it was asked to do, so that
// --resume can go on, with the same options, model and text or not at all.
#pragma once

#include <filesystem>
#include <string>

#include "strata/checkpoint/checkpoint.h"
#include "strata/sweep/options.h"
#include "strata/workflow/text.h"

namespace strata {

class PartialRun {
 public:
  /// What decides every number of a run, and the command to show.
  struct Identity {
    const Checkpoint& checkpoint;
    const LoadedText& text;
    const MeasureOptions& options;
    int surrogates = 0;
    bool bottleneck = false;
    std::string command_line;
  };

  /// Begins DIR/partial, or takes it up with `resume`. Throws Error(usage) in one line when there is an
  /// unfinished run that was not asked for, or one that was asked for otherwise; Error(run_failed) when it
  /// cannot be written.
  PartialRun(const std::filesystem::path& output, const Identity& identity, bool resume);

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  /// Whether there is anything to go on from.
  [[nodiscard]] bool saved() const;
  /// The run is finished, or nothing of it was saved: takes the directory away.
  void remove() const;

 private:
  std::filesystem::path directory_;
  std::string key_;
};

/// Throws Error(bad_file) when `run` is a directory of a run that was not finished.
void refuse_unfinished(const std::filesystem::path& run);

}  // namespace strata
