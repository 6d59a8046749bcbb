#include "strata/base/output_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_names.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwner = "owner.json";
constexpr const char* kWriting =
    "writing";  // in partial/: the old manifest is gone, its successor comes last
constexpr const char* kManifest = "manifest.json";

[[noreturn]] void refuse(const fs::path& path, std::string found, std::string hint) {
  throw Error(ErrorKind::usage, {.where = path.string(), .found = std::move(found), .hint = std::move(hint)});
}

[[noreturn]] void cannot(const fs::path& path, const char* step, int error) {
  throw Error(ErrorKind::run_failed, {.where = path.string(),
                                      .found = fmt::format("cannot {}: {}", step, std::strerror(error)),
                                      .hint = "choose another --output"});
}

bool there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

// What strata's rule says of a directory with files in it, or nothing where it may be written to.
std::optional<std::string> objection(const fs::path& path, OutputKind kind) {
  const output_names::Kind& row = output_names::of(kind);
  const std::vector<std::string> names = output_names::entries(path);
  if (names.empty()) return std::nullopt;
  const auto marked = output_names::marked_kind(path);
  if (!marked) {
    // Killed between making partial/ and writing the mark in it.
    if (names == std::vector<std::string>{kPartialFolder} && output_names::is_unborn(path / kPartialFolder))
      return std::nullopt;
    return fmt::format("{}: it holds {}, and no file that says strata made it", row.refusal, names.front());
  }
  if (*marked != kind) return fmt::format("{}: it holds {}", row.refusal, output_names::of(*marked).phrase);
  return std::nullopt;
}

// The process that holds the lock wrote its number behind the mark.
std::string holder(int fd) {
  std::string text(1024, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t at = text.find("process ");
  if (at == std::string::npos) return "another strata";
  const std::string number = text.substr(at + 8, text.find('\n', at) - at - 8);
  return "another strata (process " + number + ")";
}

}  // namespace

void check_output_directory(const fs::path& path, OutputKind kind) {
  std::error_code error;
  const fs::file_status link = fs::symlink_status(path, error);
  if (link.type() == fs::file_type::not_found) return;
  const char* const hint = "choose another --output";
  if (!there(path)) {
    if (fs::is_symlink(link)) refuse(path, "a link to something that is not there", hint);
    return;  // below something that is no directory: making it says what is wrong
  }
  if (!fs::is_directory(path, error))
    refuse(path, fmt::format("{}: it is a file", output_names::of(kind).refusal), hint);
  if (auto found = objection(path, kind)) refuse(path, std::move(*found), hint);
}

bool is_finished_output(const fs::path& path) {
  if (!output_names::is_manifest(path / kManifest)) return false;
  // A manifest beside an unfinished run is that of the run before it, unless that run's own was the last to
  // come.
  const fs::path partial = path / kPartialFolder;
  return !there(partial / "run.json") || there(partial / kWriting);
}

OutputDirectory::OutputDirectory(fs::path path, OutputKind kind) : path_(std::move(path)), kind_(kind) {
  if (!path_.has_filename() && path_.has_parent_path() && path_ != path_.root_path())
    path_ = path_.parent_path();  // "runs/a/" is runs/a
  check_output_directory(path_, kind_);
  try {
    make();
    lock();
    // Whatever another process did until the lock was held.
    if (auto found = objection(path_, kind_)) refuse(path_, std::move(*found), "choose another --output");
    write_mark(lock_);
    sweep_temporary_files();
    if (is_finished_output(path_)) forget_partial();
  } catch (...) {
    release();
    throw;
  }
}

OutputDirectory::~OutputDirectory() {
  release();
}

void OutputDirectory::make() {
  std::vector<fs::path> missing;
  fs::path at = path_;
  while (!at.empty() && !there(at)) {
    missing.push_back(at);
    at = at.parent_path();
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& directory : missing) {
    if (::mkdir(directory.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;  // "a/." or another process
      cannot(path_, "create", errno);
    }
    created_.push_back(directory);
    sync_directory(directory.has_parent_path() ? directory.parent_path() : fs::path("."));
  }
}

void OutputDirectory::lock() {
  const fs::path file = partial() / kOwner;
  // The file may be removed by its owner between opening and locking it; then it is made again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::mkdir(partial().c_str(), 0777) == 0) {
      made_partial_ = true;
    } else if (errno != EEXIST) {
      cannot(partial(), "create", errno);
    }
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) continue;
    if (fd < 0) cannot(file, "create", errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      const std::string who = holder(fd);
      (void)::close(fd);
      if (error == EWOULDBLOCK) {
        made_partial_ = false;
        refuse(path_, "in use by " + who, "wait for it, or choose another --output");
      }
      if (made_partial_) (void)::unlink(file.c_str());  // nobody can hold it
      cannot(file, "lock", error);
    }
    struct stat mine = {}, named = {};
    if (::fstat(fd, &mine) == 0 && ::stat(file.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
        mine.st_dev == named.st_dev) {
      lock_ = fd;
      return;
    }
    (void)::close(fd);
  }
  cannot(file, "lock", EAGAIN);
}

void OutputDirectory::write_mark(int fd) const {
  // In place, so that the lock stays on the file that has the name.
  const std::string text =
      output_names::owner_text(kind_) + fmt::format("process {}\n", static_cast<long>(::getpid()));
  const auto put = ::pwrite(fd, text.data(), text.size(), 0);
  const fs::path file = partial() / kOwner;
  if (put != static_cast<ssize_t>(text.size())) cannot(file, "write", put < 0 ? errno : ENOSPC);
  if (::ftruncate(fd, static_cast<off_t>(text.size())) != 0 || ::fsync(fd) != 0) cannot(file, "write", errno);
  sync_directory(partial());
  sync_directory(path_);
}

void OutputDirectory::sweep_temporary_files() const {
  std::error_code ignored;
  for (const std::string& name : output_names::entries(path_)) {
    const fs::path entry = path_ / name;
    if (output_names::is_temporary_network(name)) {
      (void)remove_checkpoint(entry);
    } else if (output_names::is_temporary_file(name, kind_) &&
               fs::is_regular_file(fs::symlink_status(entry))) {
      fs::remove(entry, ignored);
    }
  }
  output_names::sweep_partial_temporaries(partial());
}

void OutputDirectory::forget_partial() const {
  std::error_code ignored;
  output_names::remove_saved(partial());
  fs::remove(partial() / kWriting, ignored);  // after the rest: until then the run counts as finished
}

void OutputDirectory::commit(const std::function<void()>& files, const std::string& manifest) {
  const fs::path old = path_ / kManifest;
  if (::unlink(old.c_str()) != 0 && errno != ENOENT) cannot(old, "remove", errno);
  sync_directory(path_);
  write_file_atomic(partial() / kWriting, "");
  sync_directory(partial());
  files();
  sync_directory(path_);
  write_file_atomic(old, manifest);
  sync_directory(path_);
  finish();
}

void OutputDirectory::finish() {
  forget_partial();
  finished_ = true;
  release();
}

void OutputDirectory::release() noexcept {
  try {
    release_names();
  } catch (const std::exception&) {  // what cannot be listed stays as it is
  }
  if (lock_ >= 0) (void)::close(std::exchange(lock_, -1));
}

void OutputDirectory::release_names() {
  if (lock_ >= 0) {
    std::error_code ignored;
    std::vector<std::string> beside = output_names::entries(path_);
    std::erase(beside, std::string(kPartialFolder));
    // A description of a run that has saved nothing is of no use.
    const bool saved = output_names::has_snapshot(partial());
    if (!saved) output_names::remove_saved(partial());
    // The mark is needed as long as nothing else says whose the files are. It was not written where they
    // turned out to be another's.
    struct stat info = {};
    const bool written = ::fstat(lock_, &info) != 0 || info.st_size > 0;
    if (finished_ || !written || (!saved && (beside.empty() || output_names::finished_kind(path_)))) {
      fs::remove(partial() / kWriting, ignored);
      fs::remove(partial() / kOwner, ignored);
    }
  }
  // rmdir: what is not empty stays.
  if (made_partial_ || output_names::entries(partial()).empty()) (void)::rmdir(partial().c_str());
  for (auto directory = created_.rbegin(); directory != created_.rend(); ++directory)
    (void)::rmdir(directory->c_str());
  created_.clear();
  made_partial_ = false;
}

}  // namespace strata
