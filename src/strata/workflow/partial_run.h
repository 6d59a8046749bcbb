// A run that is not finished: DIR/partial holds what it has done so far and what it was asked to do, so that
// --resume can go on, with the same options, model and text or not at all.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "strata/base/error.h"
#include "strata/base/output_directory.h"
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
    std::string effort;
    bool bottleneck = false;
    std::string command_line;
  };

  /// The same of a comparison of two checkpoints.
  struct TwinIdentity {
    const Checkpoint& original;
    const Checkpoint& other;
    const LoadedText& text;
    const MeasureOptions& options;
    std::string command_line;
  };

  /// Begins DIR/partial, or takes it up with `resume`. Throws Error(usage) in one line when there is an
  /// unfinished run that was not asked for, or one that was asked for otherwise; Error(run_failed) when it
  /// cannot be written. `output` must live as long.
  PartialRun(const OutputDirectory& output, const Identity& identity, bool resume);
  /// A comparison goes on without being told to.
  PartialRun(const OutputDirectory& output, const TwinIdentity& identity);

  [[nodiscard]] std::filesystem::path directory() const { return output_.partial(); }
  [[nodiscard]] const std::string& key() const { return key_; }
  /// Whether there is anything to go on from.
  [[nodiscard]] bool saved() const;
  /// Nothing of the run was saved: takes its description away.
  void remove() const;
  /// To be called with what stopped the run: removes what is of no use, and throws Error(interrupted) that
  /// says what is kept, where `error` is one. `how` goes on with it.
  void stop(const Error& error, const char* how) const;

 private:
  using Description = nlohmann::ordered_json;
  void begin(const Description& now, const std::string& command_line, const char* what,
             std::optional<bool> resume);
  const OutputDirectory& output_;
  std::string key_;
};

/// Whether `run` is a directory of a run that was not finished.
[[nodiscard]] bool is_unfinished(const std::filesystem::path& run);
/// Throws Error(bad_file) when `run` is a directory of a run that was not finished.
void refuse_unfinished(const std::filesystem::path& run);

}  // namespace strata
