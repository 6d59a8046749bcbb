// Scratch that grows to the largest window it has seen.
#pragma once

#include <cstdint>
#include <vector>

namespace strata {

/// `count` values of the buffer, made larger where it is too small; its contents are undefined then.
[[nodiscard]] inline float* room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
  return buffer.data();
}

}  // namespace strata
