// Loaded before libc (LD_PRELOAD): counts the file-system calls of a program below one directory, and at the
// n-th kills the process, fails the call, or fills the disk. The environment says what:
//   STRATA_FAULT_ROOT   calls on paths below it count
//   STRATA_FAULT_AT     the number of the call, from 1; 0: only count
//   STRATA_FAULT_DO     kill, error (this call alone) or full (this and every later one that needs room)
//   STRATA_FAULT_COUNT  file that gets the number of calls when the program ends
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr int kMaxDescriptors = 4096;
std::atomic<long> calls{0};
std::array<std::atomic<bool>, kMaxDescriptors> ours{};  // descriptors of files below the root

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool below_root(const char* path) {
  const std::string_view root = variable("STRATA_FAULT_ROOT");
  return path != nullptr && !root.empty() && std::string_view(path).substr(0, root.size()) == root;
}

bool is_ours(int fd) {
  return fd >= 0 && fd < kMaxDescriptors && ours[static_cast<std::size_t>(fd)];
}

void remember(int fd, bool yes) {
  if (fd >= 0 && fd < kMaxDescriptors) ours[static_cast<std::size_t>(fd)] = yes;
}

template <class F>
F real(const char* name) {
  void* const symbol = ::dlsym(RTLD_NEXT, name);
  F function = nullptr;
  std::memcpy(&function, &symbol, sizeof(function));
  return function;
}

enum class Fate { none, kill, error };

// Counts a call; what becomes of it.
Fate next(bool needs_room) {
  const long number = ++calls;
  const long at =
      std::atol(variable("STRATA_FAULT_AT").data() == nullptr ? "0" : std::getenv("STRATA_FAULT_AT"));
  const std::string_view what = variable("STRATA_FAULT_DO");
  if (at <= 0) return Fate::none;
  if (what == "full") return number >= at && needs_room ? Fate::error : Fate::none;
  if (number != at) return Fate::none;
  return what == "kill" ? Fate::kill : Fate::error;
}

// True: the call fails with `error`. Does not come back from a kill.
bool fails(bool needs_room, int error) {
  switch (next(needs_room)) {
    case Fate::none:
      return false;
    case Fate::kill:
      ::kill(::getpid(), SIGKILL);
      return true;
    case Fate::error:
      break;
  }
  errno = error;
  return true;
}

// A kill in the middle of a write leaves half of it.
template <class Write>
ssize_t write_or_fail(int fd, size_t size, const Write& write) {
  if (!is_ours(fd)) return write(size);
  switch (next(true)) {
    case Fate::none:
      return write(size);
    case Fate::kill:
      (void)write(size / 2);
      ::kill(::getpid(), SIGKILL);
      return -1;
    case Fate::error:
      break;
  }
  errno = ENOSPC;
  return -1;
}

int opened(int fd, bool mine) {
  remember(fd, mine);
  return fd;
}

struct Report {
  ~Report() {
    const char* const path = std::getenv("STRATA_FAULT_COUNT");
    if (path == nullptr) return;
    if (std::FILE* file = std::fopen(path, "w")) {
      std::fprintf(file, "%ld\n", calls.load());
      std::fclose(file);
    }
  }
} report;

mode_t mode_of(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
}

}  // namespace

extern "C" {

#define STRATA_OPEN(NAME)                                                                        \
  int NAME(const char* path, int flags, ...) {                                                   \
    va_list list;                                                                                \
    va_start(list, flags);                                                                       \
    const mode_t mode = mode_of(flags, list);                                                    \
    va_end(list);                                                                                \
    const bool mine = below_root(path);                                                          \
    if (mine && fails((flags & O_CREAT) != 0, (flags & O_CREAT) != 0 ? ENOSPC : EIO)) return -1; \
    return opened(real<int (*)(const char*, int, ...)>(#NAME)(path, flags, mode), mine);         \
  }
STRATA_OPEN(open)
STRATA_OPEN(open64)

int close(int fd) {
  remember(fd, false);
  return real<int (*)(int)>("close")(fd);
}

ssize_t write(int fd, const void* data, size_t size) {
  return write_or_fail(
      fd, size, [&](size_t n) { return real<ssize_t (*)(int, const void*, size_t)>("write")(fd, data, n); });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return write_or_fail(fd, size, [&](size_t n) {
    return real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite")(fd, data, n, offset);
  });
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return write_or_fail(fd, size, [&](size_t n) {
    return real<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64")(fd, data, n, offset);
  });
}

#define STRATA_ON_DESCRIPTOR(NAME, PARAMETERS, ARGUMENTS, ERROR) \
  int NAME PARAMETERS {                                          \
    if (is_ours(fd) && fails(false, ERROR)) return -1;           \
    return real<int(*) PARAMETERS>(#NAME) ARGUMENTS;             \
  }
STRATA_ON_DESCRIPTOR(fsync, (int fd), (fd), EIO)
STRATA_ON_DESCRIPTOR(fdatasync, (int fd), (fd), EIO)
STRATA_ON_DESCRIPTOR(ftruncate, (int fd, off_t size), (fd, size), EIO)
STRATA_ON_DESCRIPTOR(ftruncate64, (int fd, off64_t size), (fd, size), EIO)
STRATA_ON_DESCRIPTOR(flock, (int fd, int operation), (fd, operation), ENOLCK)

#define STRATA_ON_PATH(NAME, PARAMETERS, ARGUMENTS, ROOM, ERROR) \
  int NAME PARAMETERS {                                          \
    if (below_root(path) && fails(ROOM, ERROR)) return -1;       \
    return real<int(*) PARAMETERS>(#NAME) ARGUMENTS;             \
  }
STRATA_ON_PATH(mkdir, (const char* path, mode_t mode), (path, mode), true, ENOSPC)
STRATA_ON_PATH(unlink, (const char* path), (path), false, EIO)
STRATA_ON_PATH(remove, (const char* path), (path), false, EIO)
STRATA_ON_PATH(rmdir, (const char* path), (path), false, EIO)
STRATA_ON_PATH(stat, (const char* path, struct stat* info), (path, info), false, EIO)
STRATA_ON_PATH(lstat, (const char* path, struct stat* info), (path, info), false, EIO)
STRATA_ON_PATH(rename, (const char* path, const char* to), (path, to), false, EIO)

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  if (below_root(from) && fails(false, EIO)) return -1;
  return real<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_directory, from,
                                                                                  to_directory, to, flags);
}

DIR* opendir(const char* path) {
  if (below_root(path) && fails(false, EIO)) return nullptr;
  return real<DIR* (*)(const char*)>("opendir")(path);
}
}
