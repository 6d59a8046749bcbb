#include "strata/cli/version.h"

#include <fmt/format.h>

namespace strata {

std::string version() {
  return STRATA_VERSION;
}

std::string version_text() {
  return fmt::format("strata {} ({}, g++ {}, {})", STRATA_VERSION, STRATA_BUILD_TYPE, __VERSION__,
                     STRATA_TORCH_TEXT);
}

}  // namespace strata
