#include "strata/workflow/build_info.h"

#include <fmt/format.h>

#include "strata/model/backend.h"
#include "strata/version.h"

namespace strata {

std::string version() {
  return STRATA_VERSION;
}

std::string build_text() {
  std::string with;
  for (const Backend* backend : backends()) {
    if (const std::string library = backend->built_with(); !library.empty()) with += ", " + library;
  }
  return fmt::format("strata {} ({}, g++ {}{})", version(), STRATA_BUILD_TYPE, __VERSION__, with);
}

}  // namespace strata
