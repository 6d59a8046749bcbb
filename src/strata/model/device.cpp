#include "strata/model/device.h"

#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/version.h>

#include "strata/base/error.h"
#include "strata/model/product.h"

namespace strata {

void require_device(const std::string& device) {
  if (device == "cpu") return;
  if (device != "cuda") {
    throw Error(ErrorKind::usage,
                {.where = "--device", .found = "'" + device + "'", .expected = "cpu or cuda"});
  }
  throw Error(
      ErrorKind::unsupported,
      {.where = "--device cuda",
       .found = at::hasCUDA() ? "strata's matrix products and row kernels run on processors only"
                              : fmt::format("LibTorch {} is built without CUDA, and strata has no CUDA "
                                            "kernels of its own",
                                            TORCH_VERSION),
       .hint = "use --device cpu"});
}

void require_compute(ComputeDType dtype) {
  const std::string why = why_not_computed(dtype);
  if (why.empty()) return;
  throw Error(
      ErrorKind::unsupported,
      {.where = fmt::format("--dtype {}", to_string(dtype)), .found = why, .hint = "use --dtype float32"});
}

}  // namespace strata
