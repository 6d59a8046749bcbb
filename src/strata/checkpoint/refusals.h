// What strata does not compute, recognised in config.json and refused by name.
#pragma once

#include "strata/checkpoint/config.h"
#include "strata/checkpoint/config_reader.h"

namespace strata {

/// Throws Error(unsupported) naming the first key that asks for something outside ModelConfig. Adds to
/// config.notes.
void refuse_uncomputed(const ConfigReader& file, const Family& family, ModelConfig& config);

}  // namespace strata
