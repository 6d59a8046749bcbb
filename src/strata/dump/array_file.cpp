#include "strata/dump/array_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/base/sha256.h"

namespace strata {
namespace {

struct TypeName {
  ElementType type;
  const char *name, *npy, *safetensors;
  std::size_t bytes;
};

constexpr TypeName kTypes[] = {{ElementType::float32, "float32", "<f4", "F32", 4},
                               {ElementType::float64, "float64", "<f8", "F64", 8},
                               {ElementType::int32, "int32", "<i4", "I32", 4}};

const TypeName& names_of(ElementType type) {
  for (const TypeName& t : kTypes) {
    if (t.type == type) return t;
  }
  check_failed("type is in the table", __FILE__, __LINE__);
}

std::uint64_t value_bytes(const ArraySpec& spec) {
  std::uint64_t bytes = size_bytes(spec.type);
  for (const std::size_t extent : spec.shape) {
    const auto product = checked_mul(bytes, extent);
    if (!product) {
      throw Error(ErrorKind::usage,
                  {.where = spec.name, .found = "more values than a file holds", .expected = "fewer rows"});
    }
    bytes = *product;
  }
  return bytes;
}

[[noreturn]] void fail(const std::filesystem::path& path, const char* step) {
  const int error = errno;
  throw Error(ErrorKind::run_failed, {.where = path.string(),
                                      .found = fmt::format("cannot {}: {}", step, std::strerror(error)),
                                      .hint = "what is finished is kept; --resume goes on"});
}

void write_all(int fd, const std::filesystem::path& path, std::span<const std::byte> bytes,
               std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail(path, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

}  // namespace

const char* to_string(ArrayFormat format) {
  return format == ArrayFormat::npy ? "npy" : "safetensors";
}
const char* to_string(ElementType type) {
  return names_of(type).name;
}
std::size_t size_bytes(ElementType type) {
  return names_of(type).bytes;
}

std::uint64_t ArraySpec::row_bytes() const {
  return value_bytes(*this) / shape.front();
}

std::string array_header(ArrayFormat format, const ArraySpec& spec) {
  STRATA_CHECK(!spec.shape.empty() && spec.shape.front() > 0);
  const TypeName& type = names_of(spec.type);
  if (format == ArrayFormat::npy) return npy_header(type.npy, spec.shape);
  nlohmann::ordered_json list{{"__metadata__", {{"format", "np"}}}};
  list[spec.name] = {
      {"dtype", type.safetensors}, {"shape", spec.shape}, {"data_offsets", {0, value_bytes(spec)}}};
  std::string text = list.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return header + text;
}

std::uint64_t array_file_bytes(ArrayFormat format, const ArraySpec& spec) {
  return array_header(format, spec).size() + value_bytes(spec);
}

std::string digest_of_array(const std::filesystem::path& path, ArrayFormat format, const ArraySpec& spec) {
  std::error_code absent;
  if (std::filesystem::file_size(path, absent) != array_file_bytes(format, spec) || absent) return {};
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string header = array_header(format, spec);
  if (bytes.size() < header.size() || std::memcmp(bytes.data(), header.data(), header.size()) != 0) return {};
  Sha256 digest;
  constexpr std::size_t kPiece = std::size_t{1} << 24;  // resident at once
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
    digest.update(piece);
    file.release(piece);
  }
  return digest.hex();
}

std::filesystem::path part_of(const std::filesystem::path& path) {
  return path.string() + ".part";
}

ArrayWriter::ArrayWriter(std::filesystem::path path, ArrayFormat format, const ArraySpec& spec)
    : path_(std::move(path)), part_(part_of(path_)), format_(format), spec_(spec) {
  const std::string header = array_header(format, spec);
  header_bytes_ = header.size();
  fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(part_, "create");
  write_all(fd_, part_, std::as_bytes(std::span(header)), 0);
}

ArrayWriter::~ArrayWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  (void)::unlink(part_.c_str());
}

void ArrayWriter::write(std::uint64_t first, std::span<const std::byte> rows) {
  write_all(fd_, part_, rows, header_bytes_ + first * spec_.row_bytes());
}

std::string ArrayWriter::finish() {
  if (::fsync(fd_) != 0) fail(part_, "write");
  if (::close(std::exchange(fd_, -1)) != 0) fail(part_, "write");
  const std::string digest = digest_of_array(part_, format_, spec_);
  STRATA_CHECK(!digest.empty());  // every row was written: the file has its size
  if (::rename(part_.c_str(), path_.c_str()) != 0) fail(path_, "rename");
  return digest;
}

void read_rows(const std::filesystem::path& path, ArrayFormat format, const ArraySpec& spec,
               std::uint64_t first, std::span<std::byte> rows) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  std::uint64_t offset = array_header(format, spec).size() + first * spec.row_bytes();
  while (fd >= 0 && !rows.empty()) {
    const ssize_t got = ::pread(fd, rows.data(), rows.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    rows = rows.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  if (fd >= 0) ::close(fd);
  if (!rows.empty()) {
    throw Error(ErrorKind::bad_file, {.where = path.string(),
                                      .found = "cannot be read back",
                                      .expected = fmt::format("{} bytes", array_file_bytes(format, spec))});
  }
}

}  // namespace strata
