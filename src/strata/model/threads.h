// How the engine uses cores: one window per thread, one thread per matrix product.
//
// A product's rounding may depend on its shape and on how the BLAS cuts it over threads. Here every
// product has the rows of exactly one window and runs on one thread, so a window's numbers depend on
// that window alone: not on threads, batch, or what else is in memory.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace strata {

/// Calls body(i) for i in [0, count) on up to `threads` threads, each with LibTorch and the BLAS held
/// to one thread and gradients off. body must write only what belongs to i.
void for_each_window(std::size_t count, int threads, const std::function<void(std::size_t)>& body);

/// Holds the BLAS to one thread per call. Returns a warning for the user when the BLAS is not OpenBLAS
/// (the reference BLAS is ten times slower), else an empty string.
[[nodiscard]] std::string single_thread_blas();

}  // namespace strata
