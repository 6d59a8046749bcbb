// TOML text -> the same document in JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace strata {

/// Throws Error(bad_file) with line and column for what is no TOML, and for dates, which a study has no use
/// for.
[[nodiscard]] nlohmann::ordered_json json_of_toml(const std::string& text, const std::string& where);

}  // namespace strata
