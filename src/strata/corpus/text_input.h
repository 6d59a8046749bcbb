// The bytes of one text, from a file, a pipe or standard input, with gzip and Zstandard taken off.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace strata {

/// Reads once, from front to back. Throws Error(usage) for a path that is not there, Error(bad_file) for a
/// damaged stream.
class TextInput {
 public:
  /// "-" is standard input.
  explicit TextInput(const std::filesystem::path& path);
  /// Bytes that are in memory already, for tests; `name` decides nothing.
  TextInput(std::string bytes, const std::string& name);
  ~TextInput();
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;

  [[nodiscard]] const std::string& where() const { return where_; }  ///< for messages
  [[nodiscard]] const std::string& name() const { return name_; }    ///< of the document
  /// The name's extension in lower case, without ".gz" or ".zst"; with the dot.
  [[nodiscard]] const std::string& extension() const { return extension_; }
  /// The first bytes (at most kHead), not consumed.
  [[nodiscard]] std::string_view head();
  /// Appends the next bytes to `into`; false at the end.
  [[nodiscard]] bool read(std::string& into);
  /// Everything that is left. Error(out_of_memory) above `limit_bytes`.
  [[nodiscard]] std::string read_all(std::uint64_t limit_bytes);

  static constexpr std::size_t kHead = 1 << 16;

 private:
  class Source;
  class Plain;
  class Gzip;
  class Zstd;
  void open(std::unique_ptr<Source> raw);
  std::string where_, name_, extension_;
  std::unique_ptr<Source> source_;
  std::string waiting_;         // read, not handed out yet
  std::uint64_t expected_ = 0;  // size of a plain file, to reserve once
};

}  // namespace strata
