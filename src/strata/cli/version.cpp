#include "strata/cli/version.h"

#include <fmt/format.h>

#include "strata/model/backend.h"
#include "strata/workflow/build_info.h"

#ifdef STRATA_TORCH
#include "strata/backends/torch/torch_backend.h"
#endif

namespace strata {

void add_optional_backends() {
#ifdef STRATA_TORCH
  add_backend(cuda_backend());
#endif
}

std::string version_text() {
  std::string text = build_text() + "\nbackends (--device):";
  for (const Backend* backend : backends()) {
    const std::string why = backend->why_not(ComputeDType::float32);
    text += fmt::format("\n  {:<5} {}", backend->name(), why.empty() ? "ready" : "not here: " + why);
  }
#ifndef STRATA_TORCH
  text += "\n  cuda  not in this program, which was built without LibTorch (-DSTRATA_TORCH=ON)";
#endif
  return text;
}

}  // namespace strata
