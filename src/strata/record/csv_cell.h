// The two kinds of cell in strata's CSV files.
#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include "strata/base/text.h"
#include "strata/record/internal.h"

namespace strata {

/// The shortest decimal that gives the value; empty where it is not finite.
[[nodiscard]] inline std::string csv_cell(double value) {
  return std::isfinite(value) ? record_json::shortest(value) : "";
}

/// Quoted where it has to be, and never a formula.
[[nodiscard]] inline std::string csv_cell(std::string_view text) {
  return csv_text(text);
}

}  // namespace strata
