// The GGUF container, versions 2 and 3: metadata and the list of tensors, checked, still in the file.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// Type numbers of the format.
enum class GgufValueType : std::uint32_t {
  u8 = 0,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};
[[nodiscard]] const char* to_string(GgufValueType type);

/// One metadata value. The bytes stay in the file, checked when the header was parsed: they are whole, and
/// every flag is 0 or 1. Strings keep their 8 bytes of length in front, arrays of arrays their type and
/// count.
struct GgufValue {
  GgufValueType type = GgufValueType::u8;
  GgufValueType element = GgufValueType::u8;  ///< of an array
  std::uint64_t count = 1;                    ///< elements of an array
  std::span<const std::byte> bytes;           ///< the value, or the array's elements one after the other
};

/// Typed access by key. Each failure is Error(bad_file) naming file, key and value; views live as long
/// as the file's bytes.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  GgufMetadata(std::map<std::string, GgufValue, std::less<>> values, std::string where);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  [[nodiscard]] const std::string& where() const { return where_; }

  /// An integer of any width in [low, high]; `integer` throws when the key is absent.
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  [[nodiscard]] std::optional<std::int64_t> find_integer(std::string_view key, std::int64_t low,
                                                         std::int64_t high) const;
  /// A finite f32 or f64.
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] std::optional<double> find_number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> find_flag(std::string_view key) const;
  [[nodiscard]] std::string_view string(std::string_view key) const;
  [[nodiscard]] std::optional<std::string_view> find_string(std::string_view key) const;

  /// Arrays. Throws when the key is absent or the elements are of another type.
  [[nodiscard]] std::vector<std::string_view> strings(std::string_view key) const;
  [[nodiscard]] std::vector<float> floats(std::string_view key) const;           ///< of f32, NaN as stored
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key) const;  ///< of any integer type

  /// Throws Error(bad_file) about this key; `unsupported` throws Error(unsupported).
  [[noreturn]] void fail(std::string_view key, std::string found, std::string expected) const;
  [[noreturn]] void refuse(std::string_view key, std::string found, std::string expected,
                           std::string hint = {}) const;

 private:
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  [[nodiscard]] const GgufValue& array(std::string_view key, const char* expected) const;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::string where_;
};

/// One tensor of the list, as the file describes it.
struct GgufTensor {
  std::string name;
  std::uint32_t type = 0;              ///< ggml type number
  std::vector<std::uint64_t> extents;  ///< fastest-running first, as stored: a (out, in) matrix is {in, out}
  std::uint64_t offset_bytes = 0;      ///< from the beginning of the data section, aligned
};

struct GgufHeader {
  std::uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
  std::uint64_t data_begin = 0;  ///< of the data section, from the start of the file
  std::uint64_t alignment = 32;
};

/// Whether this is a file that begins as GGUF does, whatever its name.
[[nodiscard]] bool is_gguf_file(const std::filesystem::path& path);

/// Parses and checks everything before the data section: counts and lengths against the size of the
/// file, types, keys and names of printable ASCII that occur once, 1 to 4 extents whose product fits in
/// 63 bits, offsets that are aligned and begin within the file. Whether a tensor's last byte lies within
/// the file depends on its type and is checked by whoever reads it. `where` names the file in errors:
/// Error(unsupported) for version 1, versions after 3 and big-endian files, else Error(bad_file).
[[nodiscard]] GgufHeader parse_gguf(std::span<const std::byte> file, const std::string& where);

}  // namespace strata
