#include "strata/backends/torch/torch_device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <cstdlib>

#include "strata/base/error.h"

namespace strata {
namespace {

// LibTorch 2 can be told to add up bfloat16 products in float32 throughout.
template <typename Context>
void add_up_in_float32(Context& context) {
  context.setAllowTF32CuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
  if constexpr (requires { context.setAllowBF16ReductionCuBLAS(false); }) {
    context.setAllowBF16ReductionCuBLAS(false);
  }
}

// A product's rounding depends on how the BLAS cuts it over threads.
bool hold_to_one_thread() {
  at::set_num_threads(1);
  using SetThreads = void (*)(int);
  const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set != nullptr) set(1);
  return true;
}

}  // namespace

std::string why_no_device(c10::DeviceType device) {
  if (device != c10::kCUDA || at::hasCUDA()) return {};
  return at::Context::hasCUDART() ? fmt::format("LibTorch {} finds no CUDA device", TORCH_VERSION)
                                  : fmt::format("LibTorch {} is built without CUDA", TORCH_VERSION);
}

void prepare_device(c10::DeviceType device) {
  if (device != c10::kCUDA) return;
  // cuBLAS repeats its bits only with a workspace of fixed size, which it reads when it starts.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  add_up_in_float32(at::globalContext());
  at::globalContext().setDeterministicAlgorithms(true, false);
}

void on_device(const std::function<void()>& body) {
  thread_local const bool held = hold_to_one_thread();
  (void)held;
  const at::NoGradGuard no_grad;
  try {
    body();
  } catch (const c10::OutOfMemoryError&) {
    throw Error(ErrorKind::out_of_memory,
                {.option = "device cuda",
                 .found = "the device is out of memory",
                 .hint = "a shorter --ctx-size, fewer --threads or --dtype bfloat16 need less of it"});
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::run_failed, {.where = "LibTorch", .found = error.what_without_backtrace()});
  }
}

}  // namespace strata
