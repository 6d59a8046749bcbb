#include "strata/model/words.h"

#include <sys/mman.h>

#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <new>

namespace strata {
namespace {

constexpr std::size_t kLine = 64, kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLarge = 2 * kHugePage;

std::uint32_t* allocate(std::size_t bytes) {
  void* memory = nullptr;  // aligned_alloc would want whole huge pages
  if (posix_memalign(&memory, bytes >= kLarge ? kHugePage : kLine, bytes) != 0) throw std::bad_alloc();
  // Advice alone: without huge pages everything works, with more page faults.
  if (bytes >= kLarge) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<std::uint32_t*>(memory);
}

// Large buffers that nobody uses, by their size.
class Recycling {
 public:
  // Null where none of that size waits; then as much of the others as was asked for is given back.
  std::uint32_t* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (const auto found = waiting_.find(bytes); found != waiting_.end()) {
      std::uint32_t* words = found->second;
      waiting_.erase(found);
      return words;
    }
    for (std::size_t given = 0; given < bytes && !waiting_.empty();) {
      const auto largest = std::prev(waiting_.end());
      given += largest->first;
      std::free(largest->second);
      waiting_.erase(largest);
    }
    return nullptr;
  }
  void put(std::uint32_t* words, std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (users_ > 0 && bytes >= kLarge) {
        waiting_.emplace(bytes, words);
        return;
      }
    }
    std::free(words);
  }
  void enter() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    for (const auto& [bytes, words] : waiting_) std::free(words);
    waiting_.clear();
  }
  WaitingWords waiting() {
    const std::lock_guard lock(mutex_);
    WaitingWords sum{.buffers = waiting_.size()};
    for (const auto& [bytes, words] : waiting_) sum.bytes += bytes;
    return sum;
  }

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, std::uint32_t*> waiting_;
  int users_ = 0;
};

Recycling& recycling() {
  static auto* const waiting = new Recycling;  // outlives every buffer
  return *waiting;
}

}  // namespace

void DropWords::operator()(std::uint32_t* words) const {
  recycling().put(words, bytes);
}

std::uint32_t* WordBuffer::room(std::int64_t count) {
  if (count <= capacity_) return words_.get();
  words_.reset();
  capacity_ = 0;
  const std::size_t asked = static_cast<std::size_t>(count) * sizeof(std::uint32_t);
  const std::size_t bytes = (asked + kLine - 1) / kLine * kLine;
  std::uint32_t* words = bytes >= kLarge ? recycling().take(bytes) : nullptr;
  words_ = {words != nullptr ? words : allocate(bytes), DropWords{bytes}};
  capacity_ = count;
  return words_.get();
}

WaitingWords words_waiting() {
  return recycling().waiting();
}

RecycledWords::RecycledWords() {
  recycling().enter();
}
RecycledWords::~RecycledWords() {
  recycling().leave();
}

}  // namespace strata
