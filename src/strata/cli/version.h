// What --version and the manifests say, and which backends this build has.
#pragma once

#include <string>

namespace strata {

/// Adds the backends of this build beside the processor; once, before any is asked for.
void add_optional_backends();

/// "0.1.0".
[[nodiscard]] std::string version();
/// One line: version, build type, compiler, LibTorch where it is built in.
[[nodiscard]] std::string build_text();
/// The same, and the backends: what there is, and why the rest is not.
[[nodiscard]] std::string version_text();

}  // namespace strata
