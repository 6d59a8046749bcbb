// What a measurement has done so far, on disk: so that it can be taken up again after it was stopped, killed
// or ran into a full disk, and ends with the same bytes.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "strata/base/archive.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/sweep/options.h"

namespace strata {

/// Named archives in one directory, each the whole state of a phase; the digests of the weights seen so far
/// go with every one of them. Throws what Archive throws.
class Snapshots {
 public:
  /// `key`: everything that decides the numbers, so that what another run saved is refused. `share` of the
  /// time may go into saving within a phase; 0: never, 1: at every chance.
  Snapshots(std::filesystem::path directory, std::string key, const Checkpoint& checkpoint,
            double share = 0.05);

  using Persist = std::function<void(Archive&)>;
  /// Reads `name` with `persist`; false when it is not there.
  bool load(const std::string& name, const Persist& persist);
  void save(const std::string& name, const Persist& persist);
  /// save() where enough time has gone by since the last.
  void save_when_due(const std::string& name, const Persist& persist);
  /// What is no longer needed, because a later phase has been saved.
  void remove(const std::string& name);

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::filesystem::path path(const std::string& name) const;
  void persist_all(Archive& archive, const Persist& persist);
  std::filesystem::path directory_;
  std::string key_;
  const Checkpoint& checkpoint_;
  double share_;
  Clock::time_point last_ = Clock::now();
  double cost_ = 0.0;  // seconds that the last one took
};

/// Reports a step between which a phase can be saved: saves it where that is due, and before the run ends
/// because the answer to `event` was no (then throws Error(interrupted)).
void report_and_save(const Progress& progress, const ProgressEvent& event, Snapshots* snapshots,
                     const std::string& name, const Snapshots::Persist& persist);

}  // namespace strata
