// What --version and the manifests say.
#pragma once

#include <string>

namespace strata {

/// "0.1.0".
[[nodiscard]] std::string version();
/// Version, compiler, build type, and whether this build has the engine.
[[nodiscard]] std::string version_text();

}  // namespace strata
