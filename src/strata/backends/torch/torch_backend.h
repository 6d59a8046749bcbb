// The block and the head in LibTorch's operations, on a CUDA device and, for tests, on the processor.
#pragma once

#include "strata/model/backend.h"

namespace strata {

/// "cuda": the current CUDA device.
[[nodiscard]] const Backend& cuda_backend();
/// "torch-cpu": the same code where no GPU is; the second implementation of the tests.
[[nodiscard]] const Backend& torch_cpu_backend();

}  // namespace strata
