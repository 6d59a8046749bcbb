#include "strata/model/device.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <cstdlib>

#include "strata/base/error.h"
#include "strata/model/product.h"

namespace strata {
namespace {

void require_cuda() {
  if (at::hasCUDA()) return;
  const bool built = at::Context::hasCUDART();
  throw Error(
      ErrorKind::unsupported,
      {.where = "--device cuda",
       .found = built ? fmt::format("LibTorch {} finds no CUDA device", TORCH_VERSION)
                      : fmt::format("LibTorch {} is built without CUDA", TORCH_VERSION),
       .hint = built ? "use --device cpu, or see whether nvidia-smi lists the device"
                     : "use --device cpu, or build strata with a CUDA build of LibTorch (docs/cuda.md)"});
}

// LibTorch 2 can be told to add up bfloat16 products in float32 throughout.
template <typename Context>
void add_up_in_float32(Context& context) {
  context.setAllowTF32CuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
  if constexpr (requires { context.setAllowBF16ReductionCuBLAS(false); }) {
    context.setAllowBF16ReductionCuBLAS(false);
  }
}

}  // namespace

void require_compute(Compute compute) {
  if (compute.device == Device::cuda) {
    require_cuda();
    // cuBLAS repeats its bits only with a workspace of fixed size, which it reads when it starts.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    add_up_in_float32(at::globalContext());
    at::globalContext().setDeterministicAlgorithms(true, false);
  }
  if (compute.device != Device::cpu) return;
  const std::string why = why_not_computed(compute.dtype);
  if (why.empty()) return;
  throw Error(ErrorKind::unsupported, {.where = fmt::format("--dtype {}", to_string(compute.dtype)),
                                       .found = why,
                                       .hint = "use --dtype float32"});
}

c10::Device torch_device(Device device) {
  return device == Device::cuda ? c10::Device(c10::kCUDA) : c10::Device(c10::kCPU);
}

void on_device(const std::function<void()>& body) {
  try {
    body();
  } catch (const c10::OutOfMemoryError&) {
    throw Error(ErrorKind::out_of_memory,
                {.where = "--device cuda",
                 .found = "the device is out of memory",
                 .hint = "a shorter --ctx-size, fewer --threads or --dtype bfloat16 need less of it"});
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::run_failed, {.where = "LibTorch", .found = error.what_without_backtrace()});
  }
}

}  // namespace strata
