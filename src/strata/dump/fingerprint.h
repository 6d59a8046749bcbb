// Whether a checkpoint is the one a dump was begun with, told without reading it.
#pragma once

#include <string>

#include "strata/checkpoint/checkpoint.h"

namespace strata {

/// SHA-256 over one line "name dtype shape" for each tensor, in the order of Checkpoint::tensors(), and its
/// first and last 4 KiB as stored. A checkpoint trained further differs in it; its whole digest is known only
/// once every tensor has been read, which a dump of few layers never does.
[[nodiscard]] std::string checkpoint_fingerprint(const Checkpoint& checkpoint);

}  // namespace strata
