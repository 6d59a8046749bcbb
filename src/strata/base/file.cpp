#include "strata/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "strata/base/error.h"

namespace strata {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

std::string reason(int error) {
  return std::strerror(error);
}

Descriptor open_for_reading(const std::filesystem::path& path) {
  // Not blocking: a named pipe would wait for a writer here, before anyone can see that it is no file.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    throw Error(
        error == ENOENT ? ErrorKind::usage : ErrorKind::bad_file,
        {.where = path.string(), .found = "cannot open: " + reason(error), .expected = "a readable file"});
  }
  return Descriptor(fd);
}

std::size_t regular_size(const Descriptor& file, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw Error(ErrorKind::bad_file,
                {.where = path.string(), .found = "not a regular file", .expected = "a file"});
  }
  return static_cast<std::size_t>(info.st_size);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const Descriptor file = open_for_reading(path);
  size_bytes_ = regular_size(file, path);
  if (size_bytes_ == 0) return;
  void* address = ::mmap(nullptr, size_bytes_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) {
    const int error = errno;  // no address space (ulimit -v) is no fault of the file
    throw Error(error == ENOMEM ? ErrorKind::out_of_memory : ErrorKind::bad_file,
                {.where = path.string(), .found = "cannot map: " + reason(error)});
  }
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  unmap();
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
  }
  return *this;
}

void MappedFile::unmap() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
  data_ = nullptr;
}

std::span<const std::byte> MappedFile::view(std::uint64_t offset_bytes, std::uint64_t size_bytes) const {
  if (offset_bytes > size_bytes_ || size_bytes > size_bytes_ - offset_bytes) {
    throw Error(ErrorKind::bad_file,
                {.where = path_.string(),
                 .found = fmt::format("{} bytes", size_bytes_),
                 .expected = fmt::format("{} bytes from byte {} on", size_bytes, offset_bytes),
                 .hint = "the file changed while it was read: run again when nothing changes it"});
  }
  return bytes().subspan(static_cast<std::size_t>(offset_bytes), static_cast<std::size_t>(size_bytes));
}

void MappedFile::release(std::span<const std::byte> range) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(range.data()) + range.size()) / page * page;
  // Advice only: a kernel that refuses it keeps the pages, which is slower to reclaim, not wrong.
  if (end > begin) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void MappedFile::prefetch(std::span<const std::byte> range) const {
  if (range.empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(range.data()) + range.size();
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);  // advice only
}

std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  const Descriptor file = open_for_reading(path);
  const std::size_t size = regular_size(file, path);
  if (size > limit_bytes) {
    throw Error(ErrorKind::bad_file, {.where = path.string(),
                                      .found = fmt::format("{} bytes", size),
                                      .expected = fmt::format("at most {} bytes", limit_bytes)});
  }
  std::string content(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file.get(), content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(ErrorKind::bad_file, {.where = path.string(), .found = "cannot read: " + reason(errno)});
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

std::uint64_t free_disk_bytes(const std::filesystem::path& path) {
  auto there = std::filesystem::absolute(path).lexically_normal();
  while (!std::filesystem::exists(there) && there.has_relative_path()) there = there.parent_path();
  struct statvfs info {};
  if (::statvfs(there.c_str(), &info) != 0) {
    throw Error(ErrorKind::run_failed,
                {.where = there.string(), .found = "cannot tell the free space: " + reason(errno)});
  }
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return path.string() + fmt::format(".tmp{}", ::getpid());
}

bool is_temporary_name(std::string_view name, std::string_view of) {
  constexpr std::string_view kMark = ".tmp";
  if (!name.starts_with(of) || !name.substr(of.size()).starts_with(kMark)) return false;
  const std::string_view process = name.substr(of.size() + kMark.size());
  return !process.empty() && process.find_first_not_of("0123456789") == std::string_view::npos;
}

void sync_directory(const std::filesystem::path& directory) {
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 && errno == EACCES) return;  // may be written but not listed: the kernel decides when
  // EINVAL: a file system that has no such call for directories.
  if (opened.get() >= 0 && (::fsync(opened.get()) == 0 || errno == EINVAL)) return;
  throw Error(ErrorKind::run_failed, {.where = directory.string(),
                                      .found = "cannot write the directory to the disk: " + reason(errno)});
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = temporary_name(path);
  const auto fail = [&](const char* step) {
    const int error = errno;
    (void)::unlink(temporary.c_str());
    throw Error(ErrorKind::run_failed, {.where = path.string(),
                                        .found = fmt::format("cannot {}: {}", step, reason(error)),
                                        .hint = "what was there before is unchanged"});
  };
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (file.get() < 0) fail("create");
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t put = ::write(file.get(), content.data() + done, content.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail("write");
    done += static_cast<std::size_t>(put);
  }
  if (::fsync(file.get()) != 0) fail("write");
  if (file.close() != 0) fail("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename");
}

}  // namespace strata
