// What the computation runs on, and refusals by name where it cannot.
#pragma once

#include <string>

#include "strata/model/compute.h"

namespace strata {

/// Throws Error(unsupported) for anything but "cpu", naming what is missing.
void require_device(const std::string& device);

/// Throws Error(unsupported) where this processor has no products of that dtype.
void require_compute(ComputeDType dtype);

}  // namespace strata
