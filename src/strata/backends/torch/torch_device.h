// LibTorch's devices: whether they are there, how they are set, and their errors as strata's.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <string>

namespace strata {

/// Empty where there is such a device; else why not, for people.
[[nodiscard]] std::string why_no_device(c10::DeviceType device);

/// Float32 sums, and results that do not change from run to run; before the first work on the device.
void prepare_device(c10::DeviceType device);

/// Runs `body`, LibTorch's operations on a device, on one thread of the processor and without gradients
/// unless it asks for them: a device out of memory throws Error(out_of_memory), and whatever else LibTorch
/// finds Error(run_failed).
void on_device(const std::function<void()>& body);

}  // namespace strata
