// Files that come with the program, found from where it lies.
#pragma once

#include <filesystem>
#include <vector>

#include "strata/workflow/text.h"

namespace strata {

/// With the tales that come with strata where no path is given. Throws Error(usage) where they are not
/// installed.
[[nodiscard]] TextOptions with_default_text(TextOptions options);

/// The trained models of the source tree that the program was built in. Throws Error(usage) where they are
/// not there.
[[nodiscard]] std::vector<std::filesystem::path> trained_models();

}  // namespace strata
