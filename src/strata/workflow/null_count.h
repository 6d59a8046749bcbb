// How many networks with random weights stand beside a run.
#pragma once

#include <string>

#include "strata/checkpoint/config.h"

namespace strata {

struct NullModelCount {
  int count = 0;
  std::string note;  ///< why there are none, where nothing was asked for
};

/// Whether a network of this architecture can be made: not from rope factors without their formula, as some
/// GGUF files have them.
[[nodiscard]] bool null_model_possible(const ModelConfig& config);

/// `asked`: "" (one; none above 2 billion parameters, or where none can be made), "auto" (19 up to 100
/// million parameters, 1 above) or a number. Throws Error(usage).
[[nodiscard]] NullModelCount null_model_count(const std::string& asked, const ModelConfig& config);

}  // namespace strata
