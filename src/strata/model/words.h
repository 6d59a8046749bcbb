// Memory for packed operands: 32-bit words, each one float32 or a pair of bfloat16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace strata {

/// Gives memory of that size back to the system, or keeps it waiting (RecycledWords).
struct DropWords {
  std::size_t bytes = 0;
  void operator()(std::uint32_t* words) const;
};

/// Aligned to a cache line (large ones to 2 MiB and on huge pages where the system gives them). Grows, never
/// shrinks; growing drops the contents.
class WordBuffer {
 public:
  /// Room for `count` words, not initialised.
  std::uint32_t* room(std::int64_t count);
  [[nodiscard]] std::uint32_t* data() { return words_.get(); }
  [[nodiscard]] const std::uint32_t* data() const { return words_.get(); }

 private:
  std::unique_ptr<std::uint32_t[], DropWords> words_;
  std::int64_t capacity_ = 0;
};

/// While one exists, large buffers that are dropped wait for others of their size: the weights of a block for
/// those of the next. The system would have to clear that memory each time. Memory in use and waiting
/// together never exceeds the most that was in use.
class RecycledWords {
 public:
  RecycledWords();
  ~RecycledWords();
  RecycledWords(const RecycledWords&) = delete;
  RecycledWords& operator=(const RecycledWords&) = delete;
};

/// What waits now.
struct WaitingWords {
  std::size_t buffers = 0;
  std::uint64_t bytes = 0;
};
[[nodiscard]] WaitingWords words_waiting();

}  // namespace strata
