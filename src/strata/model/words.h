// Memory for packed operands: 32-bit words, each one float32 or a pair of bfloat16.
#pragma once

#include <cstdint>
#include <memory>

namespace strata {

/// Aligned to a cache line (large ones to 2 MiB and on huge pages where the system gives them). Grows, never
/// shrinks; growing drops the contents.
class WordBuffer {
 public:
  /// Room for `count` words, not initialised.
  std::uint32_t* room(std::int64_t count);
  [[nodiscard]] std::uint32_t* data() { return words_.get(); }
  [[nodiscard]] const std::uint32_t* data() const { return words_.get(); }

 private:
  struct Free {
    void operator()(std::uint32_t* words) const;
  };
  std::unique_ptr<std::uint32_t[], Free> words_;
  std::int64_t capacity_ = 0;
};

}  // namespace strata
