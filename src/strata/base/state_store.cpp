#include "strata/base/state_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "strata/base/archive.h"
#include "strata/base/error.h"

namespace strata {
namespace {

std::atomic<std::uint64_t> bytes_written{0}, bytes_read{0};

std::filesystem::path default_directory() {
  const char* const asked = std::getenv("TMPDIR");
  return asked != nullptr && *asked != '\0' ? asked : "/tmp";
}

[[noreturn]] void fail(const std::filesystem::path& directory, const char* step, int error) {
  throw Error(ErrorKind::run_failed,
              {.where = directory.string(),
               .found = fmt::format("cannot {} temporary data: {}", step, std::strerror(error)),
               .hint = "a larger --mem-limit keeps more in memory, less text needs less"});
}

// Bits, not values: -0 is not zero.
bool all_zero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::bit_cast<std::uint32_t>(value) == 0; });
}

// A file that is gone as soon as the process is, however it ends.
int open_nameless(const std::filesystem::path& directory) {
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // Not every file system can make one without a name.
  std::string name = (directory / "strata-spill-XXXXXX").string();
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail(directory, "create", errno);
  (void)::unlink(name.c_str());
  return fd;
}

}  // namespace

StateStore::StateStore(std::span<const std::int64_t> sizes, const StorePlace& place)
    : size_(sizes.begin(), sizes.end()), written_(sizes.size(), 0) {
  if (!place.spilled) {
    memory_.resize(sizes.size());
    return;
  }
  directory_ = place.directory.empty() ? default_directory() : place.directory;
  std::int64_t total = 0;
  for (const std::int64_t size : size_) {
    offset_.push_back(total);
    total += size;
  }
  fd_ = open_nameless(directory_);
}

StateStore::~StateStore() {
  close();
}

void StateStore::close() noexcept {
  if (fd_ >= 0) (void)::close(fd_);
  fd_ = -1;
}

StateStore::StateStore(StateStore&& other) noexcept
    : size_(std::move(other.size_)),
      written_(std::move(other.written_)),
      memory_(std::move(other.memory_)),
      offset_(std::move(other.offset_)),
      directory_(std::move(other.directory_)),
      fd_(std::exchange(other.fd_, -1)) {}

StateStore& StateStore::operator=(StateStore&& other) noexcept {
  if (this == &other) return *this;
  close();
  size_ = std::move(other.size_);
  written_ = std::move(other.written_);
  memory_ = std::move(other.memory_);
  offset_ = std::move(other.offset_);
  directory_ = std::move(other.directory_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void StateStore::open(std::size_t slot) {
  if (!spilled()) memory_[slot].resize(static_cast<std::size_t>(size_[slot]));
  written_[slot] = 1;
}

void StateStore::write(std::size_t slot, std::span<const float> values, std::int64_t first) {
  const auto count = static_cast<std::int64_t>(values.size());
  STRATA_CHECK(first >= 0 && count <= size_[slot] - first);
  if (!spilled()) {
    if (!written(slot)) open(slot);
    std::copy(values.begin(), values.end(), memory_[slot].begin() + first);
    return;
  }
  const auto* const bytes = reinterpret_cast<const char*>(values.data());
  const auto begin = static_cast<std::int64_t>(sizeof(float)) * (offset_[slot] + first);
  for (std::size_t done = 0; done < values.size_bytes();) {
    const ssize_t put = ::pwrite(fd_, bytes + done, values.size_bytes() - done,
                                 static_cast<off_t>(begin) + static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail(directory_, "write", put == 0 ? ENOSPC : errno);
    done += static_cast<std::size_t>(put);
  }
  bytes_written += values.size_bytes();
  if (!written(slot)) open(slot);
}

void StateStore::read(std::size_t slot, std::span<float> out, std::int64_t first) const {
  const auto count = static_cast<std::int64_t>(out.size());
  STRATA_CHECK(written(slot) && first >= 0 && count <= size_[slot] - first);
  if (!spilled()) {
    std::copy_n(memory_[slot].begin() + first, count, out.begin());
    return;
  }
  auto* const bytes = reinterpret_cast<char*>(out.data());
  const auto begin = static_cast<std::int64_t>(sizeof(float)) * (offset_[slot] + first);
  for (std::size_t done = 0; done < out.size_bytes();) {
    const ssize_t got = ::pread(fd_, bytes + done, out.size_bytes() - done,
                                static_cast<off_t>(begin) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(directory_, "read", errno);
    if (got == 0) {  // past the end of the file: never written
      std::memset(bytes + done, 0, out.size_bytes() - done);
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  bytes_read += out.size_bytes();
}

const float* StateStore::view(std::size_t slot, std::vector<float>& buffer) const {
  if (!spilled()) {
    STRATA_CHECK(written(slot));
    return memory_[slot].data();
  }
  buffer.resize(static_cast<std::size_t>(size_[slot]));
  read(slot, buffer);
  return buffer.data();
}

float* StateStore::edit(std::size_t slot, std::vector<float>& buffer) {
  if (!spilled()) {
    STRATA_CHECK(written(slot));
    return memory_[slot].data();
  }
  buffer.resize(static_cast<std::size_t>(size_[slot]));
  read(slot, buffer);
  return buffer.data();
}

void StateStore::commit(std::size_t slot, std::span<const float> buffer) {
  if (spilled()) write(slot, buffer.first(static_cast<std::size_t>(size_[slot])));
}

void StateStore::copy(std::size_t from, std::size_t to) {
  STRATA_CHECK(size_[from] == size_[to]);
  std::vector<float> buffer;
  const float* const values = view(from, buffer);
  write(to, {values, static_cast<std::size_t>(size_[from])});
}

void StateStore::drop(std::size_t slot) {
  written_[slot] = 0;
  if (!spilled()) {
    std::vector<float>().swap(memory_[slot]);
    return;
  }
#ifdef FALLOC_FL_PUNCH_HOLE
  // A file system without holes keeps the space until the file is closed.
  (void)::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(offset_[slot]) * static_cast<off_t>(sizeof(float)),
                    static_cast<off_t>(size_[slot]) * static_cast<off_t>(sizeof(float)));
#endif
}

void StateStore::persist(Archive& archive) {
  std::vector<std::int64_t> sizes = size_;
  archive(sizes);
  if (sizes != size_) archive.damaged("states of another size");
  std::vector<char> present = written_;
  archive(present);
  if (present.size() != size_.size()) archive.damaged("another number of states");
  constexpr std::int64_t kPiece = 1 << 18;
  std::vector<float> buffer;
  for (std::size_t slot = 0; slot < size_.size(); ++slot) {
    if (present[slot] == 0) {
      if (archive.reading() && written(slot)) drop(slot);
      continue;
    }
    if (archive.reading() && !written(slot)) open(slot);
    for (std::int64_t first = 0; first < size_[slot]; first += kPiece) {
      buffer.resize(static_cast<std::size_t>(std::min(kPiece, size_[slot] - first)));
      if (!archive.reading()) read(slot, buffer, first);
      // What is only opened takes no room.
      bool zero = !archive.reading() && all_zero(buffer);
      archive(zero);
      if (zero) {
        std::fill(buffer.begin(), buffer.end(), 0.0f);
      } else {
        archive.raw(buffer.data(), buffer.size() * sizeof(float));
      }
      if (archive.reading()) write(slot, buffer, first);
    }
  }
}

StateStore::Traffic StateStore::traffic() {
  return {.written = bytes_written, .read = bytes_read};
}

}  // namespace strata
