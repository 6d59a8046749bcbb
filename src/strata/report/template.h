// The page without its record, as web/build.mjs made it.
#pragma once

#include <string_view>

namespace strata {

[[nodiscard]] std::string_view report_template();

}  // namespace strata
