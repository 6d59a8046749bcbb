// Loops over independent items on several threads. Results must be written by index, so that
// they do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <functional>

namespace strata {

/// Calls body(i) for i in [0, count) on up to `threads` threads. The first exception is rethrown.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& body);

}  // namespace strata
