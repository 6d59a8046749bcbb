// What lies in a directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strata {

/// The names of the entries of `directory`, sorted; none where it is absent or cannot be read.
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& directory);

}  // namespace strata
