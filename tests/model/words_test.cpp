// Memory of packed operands: what is dropped is used again while somebody asks for that, and only then.
#include "strata/model/words.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace strata {
namespace {

constexpr std::int64_t kLargeWords = std::int64_t{4} << 20;  // 16 MiB

std::uintptr_t address_of_new(std::int64_t words) {
  WordBuffer buffer;
  std::uint32_t* const at = buffer.room(words);
  at[0] = at[words - 1] = 1;
  return reinterpret_cast<std::uintptr_t>(at);
}

TEST(WordBuffer, GrowsAndKeepsItsMemory) {
  WordBuffer buffer;
  std::uint32_t* const at = buffer.room(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0u);
  EXPECT_EQ(buffer.room(50), at);
  EXPECT_NE(buffer.room(kLargeWords), nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (std::size_t{2} << 20), 0u);
}

TEST(RecycledWords, WhatIsDroppedServesTheNextOfItsSize) {
  const RecycledWords recycled;
  const std::uintptr_t first = address_of_new(kLargeWords);
  std::optional<WordBuffer> other;
  other.emplace().room(kLargeWords);  // takes what waited
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(other->data()), first);
  EXPECT_NE(address_of_new(kLargeWords), first);  // it is in use
  other.reset();
  WordBuffer third, fourth;
  third.room(kLargeWords);
  fourth.room(kLargeWords);
  EXPECT_NE(third.data(), fourth.data());
}

// What waits is given back before more is taken: a small buffer after many large ones, and the other way
// round.
TEST(RecycledWords, WhatWaitsMakesRoomForOtherSizes) {
  const RecycledWords recycled;
  for (int round = 0; round < 4; ++round) {
    WordBuffer buffers[4];
    for (WordBuffer& buffer : buffers) buffer.room(kLargeWords + round * 4096);
  }
  const WaitingWords waiting = words_waiting();
  EXPECT_EQ(waiting.buffers, 4u);
  EXPECT_LE(waiting.bytes, 4 * (static_cast<std::uint64_t>(kLargeWords) + 3 * 4096) * 4);
}

TEST(RecycledWords, NothingWaitsBeforeOrAfter) {
  (void)address_of_new(kLargeWords);
  EXPECT_EQ(words_waiting().buffers, 0u);
  {
    const RecycledWords outer;
    {
      const RecycledWords inner;
      (void)address_of_new(kLargeWords);
      (void)address_of_new(1000);  // small ones go to the allocator
    }
    EXPECT_EQ(words_waiting().buffers, 1u);
  }
  EXPECT_EQ(words_waiting().buffers, 0u);
}

}  // namespace
}  // namespace strata
