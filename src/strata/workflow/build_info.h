// What this build of strata is, for --version, manifests and records.
#pragma once

#include <string>

namespace strata {

/// "0.1.0".
[[nodiscard]] std::string version();
/// One line: version, build type, compiler, and what optional backends are built with.
[[nodiscard]] std::string build_text();

}  // namespace strata
