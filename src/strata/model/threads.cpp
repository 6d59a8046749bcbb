#include "strata/model/threads.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <dlfcn.h>

#include "strata/base/parallel.h"

namespace strata {

void for_each_window(std::size_t count, int threads, const std::function<void(std::size_t)>& body) {
  parallel_for(count, threads, [&](std::size_t i) {
    thread_local const bool single = (at::set_num_threads(1), true);
    (void)single;
    const at::NoGradGuard no_grad;
    body(i);
  });
}

std::string single_thread_blas() {
  using SetThreads = void (*)(int);
  const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set == nullptr) {
    return "the BLAS behind LibTorch is not OpenBLAS: matrix products may be ten times slower "
           "(Debian: apt-get install libopenblas0-pthread)";
  }
  set(1);
  return {};
}

}  // namespace strata
