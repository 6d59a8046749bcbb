#include "strata/cli/version.h"

#include <fmt/format.h>

#include "strata/model/backend.h"

#ifdef STRATA_TORCH
#include "strata/backends/torch/torch_backend.h"
#endif

namespace strata {

void add_optional_backends() {
#ifdef STRATA_TORCH
  add_backend(cuda_backend());
#endif
}

std::string version() {
  return STRATA_VERSION;
}

std::string build_text() {
#ifdef STRATA_TORCH
  const std::string torch = ", LibTorch " + libtorch_version();
#else
  const std::string torch;
#endif
  return fmt::format("strata {} ({}, g++ {}{})", STRATA_VERSION, STRATA_BUILD_TYPE, __VERSION__, torch);
}

std::string version_text() {
  std::string text = build_text() + "\nbackends (--device):";
  for (const Backend* backend : backends()) {
    const std::string why = backend->why_not(ComputeDType::float32);
    text += fmt::format("\n  {:6}{}", backend->name(), why.empty() ? "" : "not here: " + why);
  }
#ifndef STRATA_TORCH
  text += "\n  cuda  not in this program, which was built without LibTorch (-DSTRATA_TORCH=ON)";
#endif
  return text;
}

}  // namespace strata
