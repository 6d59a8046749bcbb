// A second backend for tests: float32 rows of its own, products and attention by the plain loops of
// plain_network.h.
#pragma once

#include "strata/model/backend.h"

namespace strata::test {

/// "plain"; float32 alone.
[[nodiscard]] const Backend& plain_backend();

}  // namespace strata::test
