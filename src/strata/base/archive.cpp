#include "strata/base/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"

namespace strata {
namespace {

constexpr std::string_view kMagic = "strata snapshot1";
constexpr std::size_t kHex = 64;  // characters of a SHA-256
constexpr std::size_t kBuffer = std::size_t{1} << 20;

}  // namespace

// magic, SHA-256 of the key, content, SHA-256 of everything before.
struct Archive::Impl {
  std::filesystem::path path, temporary;
  Direction direction;
  int fd = -1;
  Sha256 sha;
  std::vector<char> buffer{};
  std::size_t used = 0;              // of the buffer
  std::uint64_t done = 0, left = 0;  // bytes of content; left: still to be read

  [[noreturn]] void bad(const std::string& found) const {
    throw Error(ErrorKind::bad_file, {.where = path.string(),
                                      .found = found,
                                      .expected = "what this run had saved",
                                      .hint = "remove it to do that part again"});
  }

  [[noreturn]] void fail(const char* step) const {
    throw Error(ErrorKind::run_failed, {.where = path.string(),
                                        .found = fmt::format("cannot {}: {}", step, std::strerror(errno)),
                                        .hint = "what was saved before is still there"});
  }

  void flush() {
    sha.update(std::as_bytes(std::span(buffer.data(), used)));
    for (std::size_t at = 0; at < used;) {
      const ssize_t put = ::write(fd, buffer.data() + at, used - at);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail("write");
      at += static_cast<std::size_t>(put);
    }
    used = 0;
  }

  void put(const char* data, std::size_t size) {
    while (size > 0) {
      const std::size_t part = std::min(size, buffer.size() - used);
      std::memcpy(buffer.data() + used, data, part);
      used += part;
      data += part;
      size -= part;
      if (used == buffer.size()) flush();
    }
  }

  void get(char* data, std::size_t size) const {
    for (std::size_t at = 0; at < size;) {
      const ssize_t got = ::read(fd, data + at, size - at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) bad(fmt::format("cannot read: {}", std::strerror(errno)));
      if (got == 0) bad("truncated");
      at += static_cast<std::size_t>(got);
    }
  }

  // The digest at the end against the content, then back to the beginning of the content.
  void check(const std::string& key_digest) {
    const off_t size = ::lseek(fd, 0, SEEK_END);
    constexpr std::size_t kFrame = kMagic.size() + 2 * kHex;
    if (size < 0 || static_cast<std::size_t>(size) < kFrame) bad("truncated");
    (void)::lseek(fd, 0, SEEK_SET);
    left = static_cast<std::uint64_t>(size) - kFrame;
    std::string head(kMagic.size() + kHex, '\0');
    get(head.data(), head.size());
    if (!std::string_view(head).starts_with(kMagic)) bad("not a snapshot of strata");
    sha.update(head);
    for (std::uint64_t rest = left; rest > 0;) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(rest, buffer.size()));
      get(buffer.data(), part);
      sha.update(std::as_bytes(std::span(buffer.data(), part)));
      rest -= part;
    }
    std::string digest(kHex, '\0');
    get(digest.data(), digest.size());
    if (digest != sha.hex()) bad("damaged: its digest is another");
    if (head.substr(kMagic.size()) != key_digest) bad("saved by another run");
    (void)::lseek(fd, static_cast<off_t>(head.size()), SEEK_SET);
  }
};

Archive::Archive(std::filesystem::path path, const std::string& key, Direction direction)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.path = std::move(path);
  impl.direction = direction;
  impl.buffer.resize(kBuffer);
  const std::string key_digest = sha256_hex(key);
  if (direction == Direction::read) {
    impl.fd = ::open(impl.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (impl.fd < 0) impl.bad(fmt::format("cannot open: {}", std::strerror(errno)));
    impl.check(key_digest);
    return;
  }
  impl.temporary = temporary_name(impl.path);
  impl.fd = ::open(impl.temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (impl.fd < 0) impl.fail("create");
  impl.put(kMagic.data(), kMagic.size());
  impl.put(key_digest.data(), key_digest.size());
}

Archive::~Archive() {
  if (impl_->fd >= 0) (void)::close(impl_->fd);
  if (!impl_->temporary.empty()) (void)::unlink(impl_->temporary.c_str());
}

bool Archive::reading() const {
  return impl_->direction == Direction::read;
}

std::uint64_t Archive::bytes() const {
  return impl_->done;
}

void Archive::damaged(const std::string& found) const {
  impl_->bad(found);
}

void Archive::raw(void* data, std::size_t size) {
  if (reading()) {
    if (size > impl_->left) impl_->bad("shorter than it should be");
    impl_->get(static_cast<char*>(data), size);
    impl_->left -= size;
  } else {
    impl_->put(static_cast<const char*>(data), size);
  }
  impl_->done += size;
}

std::size_t Archive::size_of(std::size_t size, std::size_t least_bytes) {
  (*this)(size);
  if (reading() && size > impl_->left / least_bytes) impl_->bad("shorter than it should be");
  return size;
}

void Archive::finish() {
  Impl& impl = *impl_;
  if (reading()) {
    if (impl.left != 0) impl.bad("longer than it should be");
    return;
  }
  impl.flush();
  const std::string digest = impl.sha.hex();
  for (std::size_t at = 0; at < digest.size();) {
    const ssize_t put = ::write(impl.fd, digest.data() + at, digest.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) impl.fail("write");
    at += static_cast<std::size_t>(put);
  }
  if (::fsync(impl.fd) != 0) impl.fail("write");
  if (::close(std::exchange(impl.fd, -1)) != 0) impl.fail("write");
  if (::rename(impl.temporary.c_str(), impl.path.c_str()) != 0) impl.fail("rename");
  impl.temporary.clear();
  sync_directory(impl.path.has_parent_path() ? impl.path.parent_path() : std::filesystem::path("."));
}

}  // namespace strata
