// NumPy's .npy arrays and .npz archives (numpy.lib.format 1.0), without pickle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace strata {

/// A C-ordered array. `shape` empty = scalar.
struct NpyArray {
  std::vector<std::size_t> shape;
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int32_t>, std::vector<std::int64_t>>
      data;

  [[nodiscard]] std::size_t size() const;
  /// The values as double, whatever the stored type.
  [[nodiscard]] std::vector<double> as_double() const;
};

/// What stands before the values.
struct NpyHeader {
  std::string descr;  ///< as numpy writes it: "<i4"; of a record type, the start of its list
  bool fortran_order = false;
  std::vector<std::size_t> shape;
  std::size_t count = 0;       ///< values in all
  std::size_t data_begin = 0;  ///< byte of the first value
};
/// Throws Error(bad_file) naming `where`.
[[nodiscard]] NpyHeader parse_npy_header(std::string_view bytes, const std::string& where);

/// Parses .npy bytes ('<f4', '<f8', '<i4', '<i8', C order). Throws Error(bad_file) naming `where`.
[[nodiscard]] NpyArray parse_npy(std::string_view bytes, const std::string& where);
[[nodiscard]] std::string format_npy(const NpyArray& array);
/// What format_npy puts before the values; `descr` like "<f4". For arrays written piece by piece.
[[nodiscard]] std::string npy_header(std::string_view descr, const std::vector<std::size_t>& shape);

/// Reads one .npy file.
[[nodiscard]] NpyArray read_npy(const std::filesystem::path& path);

/// A named array of an archive; the name has no ".npy".
struct NamedArray {
  std::string name;
  NpyArray array;
};

/// Writes an uncompressed .npz by atomic rename; equal content gives equal bytes.
void write_npz_atomic(const std::filesystem::path& path, const std::vector<NamedArray>& arrays);
[[nodiscard]] std::vector<NamedArray> read_npz(const std::filesystem::path& path);

}  // namespace strata
