// What --version says, and which backends this program has.
#pragma once

#include <string>

namespace strata {

/// Adds the backends of this build beside the processor; once, before any is asked for.
void add_optional_backends();

/// The build, and the backends: what there is, and why the rest is not.
[[nodiscard]] std::string version_text();

}  // namespace strata
