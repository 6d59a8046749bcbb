// One array in one file, .npy or .safetensors, written row by row in any order: the header is known before
// the first value, so that no array is ever whole in memory. The file has its name only once it is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace strata {

enum class ArrayFormat { npy, safetensors };
[[nodiscard]] const char* to_string(ArrayFormat format);

enum class ElementType { float32, float64, int32 };
[[nodiscard]] const char* to_string(ElementType type);
[[nodiscard]] std::size_t size_bytes(ElementType type);

struct ArraySpec {
  std::string name;                ///< of the tensor in a .safetensors file
  std::vector<std::size_t> shape;  ///< C order, at least one row
  ElementType type = ElementType::float32;

  [[nodiscard]] std::uint64_t row_bytes() const;
};

/// The bytes before the values. .npy: format 1.0, the values begin at a multiple of 64 bytes. .safetensors:
/// 8 bytes of length (little endian), then JSON padded with blanks to a multiple of 8.
[[nodiscard]] std::string array_header(ArrayFormat format, const ArraySpec& spec);
/// Header and values. Throws Error(usage) where the shape overflows.
[[nodiscard]] std::uint64_t array_file_bytes(ArrayFormat format, const ArraySpec& spec);

/// SHA-256 of a whole file that begins with this array's header and has its size; empty where there is no
/// such file.
[[nodiscard]] std::string digest_of_array(const std::filesystem::path& path, ArrayFormat format,
                                          const ArraySpec& spec);

/// "<path>.part", the name of an array that is being written.
[[nodiscard]] std::filesystem::path part_of(const std::filesystem::path& path);

/// Writes one array under part_of(path). Rows may come in any order and from several threads, each once.
class ArrayWriter {
 public:
  /// Replaces an older ".part". Throws Error(run_failed) when it cannot be created.
  ArrayWriter(std::filesystem::path path, ArrayFormat format, const ArraySpec& spec);
  /// Removes the ".part" unless finish() was called.
  ~ArrayWriter();
  ArrayWriter(const ArrayWriter&) = delete;
  ArrayWriter& operator=(const ArrayWriter&) = delete;

  /// Rows from `first` on. Throws Error(run_failed) when the disk fails.
  void write(std::uint64_t first, std::span<const std::byte> rows);
  template <class T>
  void write(std::uint64_t first, std::span<const T> rows) {
    write(first, std::as_bytes(rows));
  }
  /// After every row: to the disk, renamed over `path`. Returns the SHA-256 of the file.
  std::string finish();

 private:
  std::filesystem::path path_, part_;
  ArrayFormat format_;
  ArraySpec spec_;
  std::uint64_t header_bytes_;
  int fd_;
};

/// Reads rows of a whole array file back, (rows.size() bytes) from row `first` on. Throws Error(bad_file).
void read_rows(const std::filesystem::path& path, ArrayFormat format, const ArraySpec& spec,
               std::uint64_t first, std::span<std::byte> rows);

}  // namespace strata
