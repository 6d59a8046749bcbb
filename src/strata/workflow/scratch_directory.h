// A temporary directory of this process's own, removed with the object.
#pragma once

#include <filesystem>
#include <optional>

#include "strata/base/output_directory.h"

namespace strata {

class ScratchDirectory {
 public:
  /// In the system's temporary directory (TMPDIR). Those that killed processes of this user have left there
  /// are removed. Throws Error(run_failed) where none can be made.
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<OutputDirectory> held_;  // its lock tells others that this process lives
};

}  // namespace strata
