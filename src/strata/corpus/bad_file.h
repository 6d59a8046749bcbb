// How a text that cannot be read is refused.
#pragma once

#include <string>
#include <utility>

#include "strata/base/error.h"

namespace strata {

/// Throws ErrorKind::bad_file.
[[noreturn]] inline void bad(const std::string& where, std::string found, std::string expected = {},
                             std::string hint = {}) {
  throw Error(
      ErrorKind::bad_file,
      {.where = where, .found = std::move(found), .expected = std::move(expected), .hint = std::move(hint)});
}

}  // namespace strata
