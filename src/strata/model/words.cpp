#include "strata/model/words.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace strata {
namespace {

constexpr std::size_t kLine = 64, kHugePage = std::size_t{2} << 20;

}  // namespace

void WordBuffer::Free::operator()(std::uint32_t* words) const {
  std::free(words);
}

std::uint32_t* WordBuffer::room(std::int64_t count) {
  if (count <= capacity_) return words_.get();
  words_.reset();
  capacity_ = 0;
  const std::size_t asked = static_cast<std::size_t>(count) * sizeof(std::uint32_t);
  const std::size_t alignment = asked >= 2 * kHugePage ? kHugePage : kLine;
  const std::size_t bytes = (asked + kLine - 1) / kLine * kLine;
  void* memory = nullptr;  // aligned_alloc would want whole huge pages
  if (posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
  // Advice alone: without huge pages everything works, with more page faults.
  if (alignment == kHugePage) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  words_.reset(static_cast<std::uint32_t*>(memory));
  capacity_ = count;
  return words_.get();
}

}  // namespace strata
