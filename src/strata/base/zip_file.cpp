#include "strata/base/zip_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace strata {
namespace {

constexpr std::size_t kZipBuffer = std::size_t{1} << 20;

}  // namespace

ZipFile::ZipFile(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644)) {
  if (fd_ < 0) error_ = errno;
}

ZipFile::~ZipFile() {
  if (fd_ >= 0) (void)::close(fd_);
}

zlib_filefunc64_def ZipFile::functions() {
  zlib_filefunc64_def f{};
  f.opaque = this;
  f.zopen64_file = [](void* self, const void*, int) { return self; };  // open already
  f.zread_file = [](void*, void*, void*, uLong) -> uLong { return 0; };
  f.zwrite_file = write;
  f.ztell64_file = [](void* self, void*) -> ZPOS64_T { return static_cast<ZipFile*>(self)->at_; };
  f.zseek64_file = seek;
  f.zclose_file = [](void* self, void*) { return static_cast<ZipFile*>(self)->failed() ? -1 : 0; };
  f.zerror_file = [](void* self, void*) { return static_cast<ZipFile*>(self)->failed() ? -1 : 0; };
  return f;
}

uLong ZipFile::write(void* self, void* /*stream*/, const void* data, uLong size) {
  auto& file = *static_cast<ZipFile*>(self);
  if (file.at_ != file.begin_ + file.buffer_.size() || file.buffer_.size() >= kZipBuffer) file.flush();
  if (file.failed()) return 0;
  if (file.buffer_.empty()) file.begin_ = file.at_;
  file.buffer_.append(static_cast<const char*>(data), size);
  file.at_ += size;
  file.end_ = std::max(file.end_, file.at_);
  return size;
}

long ZipFile::seek(void* self, void* /*stream*/, ZPOS64_T offset, int origin) {
  auto& file = *static_cast<ZipFile*>(self);
  const std::uint64_t from = origin == ZLIB_FILEFUNC_SEEK_CUR   ? file.at_
                             : origin == ZLIB_FILEFUNC_SEEK_END ? file.end_
                                                                : 0;
  file.at_ = from + offset;
  return file.failed() ? -1 : 0;
}

void ZipFile::flush() {
  for (std::size_t done = 0; done < buffer_.size() && !failed();) {
    const ssize_t put =
        ::pwrite(fd_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(begin_ + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) error_ = put < 0 ? errno : ENOSPC;
    done += static_cast<std::size_t>(std::max<ssize_t>(put, 0));
  }
  buffer_.clear();
  begin_ = at_;
}

bool ZipFile::sync() {
  flush();
  if (!failed() && ::fsync(fd_) != 0) error_ = errno;
  if (::close(std::exchange(fd_, -1)) != 0 && !failed()) error_ = errno;
  return !failed();
}

}  // namespace strata
