// GGUF metadata -> ModelConfig.
#pragma once

#include "strata/checkpoint/config.h"
#include "strata/gguf/gguf.h"

namespace strata {

/// Reads the keys of the file's architecture. Sizes must be there; what may be absent follows llama.cpp
/// (load_hparams of llama-model.cpp): key-value heads = heads, head size = embedding / heads, rope base =
/// 10000. `vocab` is the number of rows of the token embedding, `tied` whether there is no unembedding.
/// Numbers stored as f32 are taken as the shortest decimal that gives that f32 (1e-5, not
/// 9.99999974e-6), so that they equal the ones in config.json. A token id of 2^32 - 1 or -1 means none.
/// Throws Error(bad_file) naming the key, or Error(unsupported) for what strata does not compute: other
/// architectures, and settings outside those of the family.
[[nodiscard]] ModelConfig parse_gguf_config(const GgufMetadata& metadata, std::int64_t vocab, bool tied);

}  // namespace strata
