// How the program's allocator gives memory back, so that what a run frees does not count against --mem-limit.
#pragma once

namespace strata {

/// Large blocks go back to the system as soon as they are freed, and threads share a few heaps.
/// glibc would else raise the size of "large" up to 32 MiB, and keep a heap for each thread.
void settle_allocator();

}  // namespace strata
