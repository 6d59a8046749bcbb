// A temporary directory of this process's own, removed with the object.
#pragma once

#include <filesystem>

namespace strata {

class ScratchDirectory {
 public:
  /// In the system's temporary directory (TMPDIR). Throws Error(run_failed) where none can be made.
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace strata
