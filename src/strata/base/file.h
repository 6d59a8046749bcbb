// Reading and writing files: memory maps, whole small files, and atomic replacement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace strata {

/// A read-only memory map of a whole file. Move-only; the bytes live as long as the object.
class MappedFile {
 public:
  /// Throws Error(usage) when the path does not exist, Error(bad_file) when it cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  /// A part of it. Throws Error(bad_file) where the mapped file does not reach that far: another, shorter
  /// file may have taken the name since its header was read.
  [[nodiscard]] std::span<const std::byte> view(std::uint64_t offset_bytes, std::uint64_t size_bytes) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Tells the kernel that these bytes are no longer needed, so that the resident size is honest.
  void release(std::span<const std::byte> range) const;
  /// Tells the kernel that these bytes are needed next, so that a disk reads them meanwhile.
  void prefetch(std::span<const std::byte> range) const;

 private:
  void unmap() noexcept;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

/// The whole file as a string. Throws Error(usage) when it is not there, Error(bad_file) when it is
/// larger than `limit_bytes` or cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path,
                                    std::size_t limit_bytes = std::size_t{1} << 32);

/// Bytes that a user may still write where `path` is or would be: of its nearest directory that is there.
/// Throws Error(run_failed) when the file system does not tell.
[[nodiscard]] std::uint64_t free_disk_bytes(const std::filesystem::path& path);

/// Writes a temporary file beside `path` and renames it over `path`, so that a reader sees the old
/// bytes or the new ones, never half. The bytes are on the disk; the name is once sync_directory was called.
/// Throws Error(run_failed) and removes the temporary file.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

/// Names in `directory` are on the disk when it returns. Throws Error(run_failed).
void sync_directory(const std::filesystem::path& directory);

/// The name under which a file is written before it takes its own: "<path>.tmp<process>".
[[nodiscard]] std::filesystem::path temporary_name(const std::filesystem::path& path);
/// Whether `name` is the temporary name of a file called `of`, by any process.
[[nodiscard]] bool is_temporary_name(std::string_view name, std::string_view of);

}  // namespace strata
