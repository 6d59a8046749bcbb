// Windows that go through a block together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace strata {

/// Items [begin, end).
struct ItemRange {
  std::size_t begin = 0, end = 0;
};

/// `count` items in groups of at most `together`, smaller where that leaves a thread without work.
[[nodiscard]] inline std::vector<ItemRange> groups_of(std::size_t count, std::size_t together, int threads) {
  const auto workers = static_cast<std::size_t>(std::max(1, threads));
  const std::size_t each = std::max<std::size_t>(1, std::min(together, (count + workers - 1) / workers));
  std::vector<ItemRange> groups;
  for (std::size_t begin = 0; begin < count; begin += each)
    groups.push_back({begin, std::min(count, begin + each)});
  return groups;
}

}  // namespace strata
