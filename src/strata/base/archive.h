// The state of an interrupted computation in a file of its own: the same code writes it and reads it back.
//
//   void persist(Archive& archive) { archive(block_); archive(sums_); }   // both directions
//
// For this program on this machine, not for exchange: numbers are stored as they lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

/// Writing goes to a temporary file that takes the name on finish(). Reading checks the digest of the whole
/// file first, so that nothing of a damaged one is used. Throws Error(run_failed) when it cannot be written,
/// Error(bad_file) in one line when it is truncated, altered, or of another run.
class Archive {
 public:
  enum class Direction { write, read };
  /// `key`: what the content belongs to; reading expects the key it was written with.
  Archive(std::filesystem::path path, const std::string& key, Direction direction);
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  [[nodiscard]] bool reading() const;
  /// Ends it: a written file is on the disk under its name, a read one has been read to its end.
  void finish();
  [[nodiscard]] std::uint64_t bytes() const;  ///< written or read so far

  void raw(void* data, std::size_t size);
  /// Throws Error(bad_file): the content does not fit what it is read into.
  [[noreturn]] void damaged(const std::string& found) const;

  template <class T>
  void operator()(T& value) {
    if constexpr (requires { value.persist(*this); }) {
      value.persist(*this);
    } else {
      static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>, "give it a persist(Archive&)");
      raw(&value, sizeof(T));
    }
  }
  void operator()(std::string& text) {
    text.resize(size_of(text.size(), 1));
    raw(text.data(), text.size());
  }
  void operator()(Matrix& matrix) {
    (*this)(matrix.rows);
    (*this)(matrix.cols);
    (*this)(matrix.data);
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    constexpr bool kPlain = std::is_arithmetic_v<T> || std::is_enum_v<T>;
    list.resize(size_of(list.size(), kPlain ? sizeof(T) : 1));
    if constexpr (kPlain) {
      raw(list.data(), list.size() * sizeof(T));
    } else {
      for (T& item : list) (*this)(item);
    }
  }
  /// Writes or reads the number of elements, `least_bytes` or more each, which the rest of the file must have
  /// room for.
  [[nodiscard]] std::size_t size_of(std::size_t size, std::size_t least_bytes);

  /// A list whose length is known: reading another length is damage.
  template <class T>
  void sized(std::vector<T>& list) {
    const std::size_t expected = list.size();
    (*this)(list);
    if (list.size() != expected) damaged("another number of values");
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
