// A directory that strata writes: whose it is, one process at a time, and what stays when a run fails.
//
// The rule, for every command: a directory is strata's only if a file in it, read and checked, says so. Such
// a mark is manifest.json of a finished run or comparison, index.json of a dump, calibration.json, or
// DIR/partial/owner.json, which is the first file that a run writes and the last that it removes. strata
// replaces and removes only the names that it writes itself. Everything else is Error(usage).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// What a directory holds. A new command that writes one adds a row to the table in the source file.
enum class OutputKind { analysis, study, twins, dump, calibration, checkpoint, scratch };

/// DIR/partial, the folder of what is not finished.
inline constexpr const char* kPartialFolder = "partial";

class OutputDirectory {
 public:
  /// Takes `path` (made where it is not there; a link to a directory is followed and stays) for this process:
  /// checks whose it is, writes the mark, locks it, and removes the temporary files of killed runs. Throws
  /// Error(usage) when it is not strata's, holds another kind or is in use by another process, which is
  /// named; Error(run_failed) when it cannot be written.
  OutputDirectory(std::filesystem::path path, OutputKind kind);
  /// Gives it back. Without finish() the mark stays where there is anything to go on from or to write over;
  /// else the mark goes, and so do the directories that were made for it.
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path partial() const { return path_ / kPartialFolder; }
  /// Whether it was there, with files in it or not, before this process took it.
  [[nodiscard]] bool was_there() const { return created_.empty(); }

  /// The last writes of a run, in the order that a power cut at any time leaves a whole old run, an
  /// unfinished one, or a whole new one: the old manifest goes, `files` writes the files, then the manifest;
  /// every step is on the disk before the next. Then finish().
  void commit(const std::function<void()>& files, const std::string& manifest);
  /// Everything is on the disk: removes partial/ and gives the directory back.
  void finish();
  /// Removes what a run has saved in partial/, the mark excepted.
  void forget_partial() const;

 private:
  void make();
  void lock();
  void write_mark(int fd) const;
  void sweep_temporary_files() const;
  void release() noexcept;
  void release_names();

  std::filesystem::path path_;
  OutputKind kind_;
  int lock_ = -1;
  bool made_partial_ = false, finished_ = false;
  std::vector<std::filesystem::path> created_;  // by this process, outermost first
};

/// The rule alone: throws Error(usage) unless `path` is not there, is an empty directory, or is strata's and
/// holds this kind.
void check_output_directory(const std::filesystem::path& path, OutputKind kind);

/// Whether a run or comparison in `path` is finished: its manifest is there and strata's, and the removal of
/// partial/ is all that may be missing.
[[nodiscard]] bool is_finished_output(const std::filesystem::path& path);

/// Removes the snapshots in a folder of partial/, and the folder where nothing else is in it.
void remove_snapshots(const std::filesystem::path& folder);

/// Removes the files of a checkpoint that `strata synth` writes, complete or not.
void remove_checkpoint_files(const std::filesystem::path& path);

/// Removes a checkpoint that `strata synth` wrote or was writing there: only the names that it writes.
/// Returns false when something else is left in it, which then stays.
bool remove_checkpoint(const std::filesystem::path& path);

}  // namespace strata
