// What the computation runs on, and refusals by name where it cannot.
#pragma once

#include <c10/core/Device.h>

#include <functional>

#include "strata/model/compute.h"

namespace strata {

/// Throws Error(unsupported) where this machine or this build of LibTorch has no such device, or no products
/// of that dtype on it, naming what is missing. A CUDA device is held to float32 sums and to results that do
/// not change from run to run; call it before the first work on the device.
void require_compute(Compute compute);

/// LibTorch's name of a device.
[[nodiscard]] c10::Device torch_device(Device device);

/// Runs `body`, LibTorch's operations on a device: a device out of memory throws Error(out_of_memory), and
/// whatever else LibTorch finds Error(run_failed).
void on_device(const std::function<void()>& body);

}  // namespace strata
