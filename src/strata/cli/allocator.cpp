#include "strata/cli/allocator.h"

#include <cstdlib>  // defines __GLIBC__
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace strata {

void settle_allocator() {
#ifdef __GLIBC__
  constexpr int kLargeBytes = 1 << 20, kHeaps = 2;
  (void)mallopt(M_MMAP_THRESHOLD, kLargeBytes);
  (void)mallopt(M_TRIM_THRESHOLD, kLargeBytes);
  (void)mallopt(M_ARENA_MAX, kHeaps);
#endif
}

}  // namespace strata
