// A model in GGUF: one file, or the splits of llama-gguf-split.
#pragma once

#include <filesystem>
#include <string>

#include "strata/checkpoint/config.h"
#include "strata/checkpoint/shards.h"

namespace strata {

struct GgufModel {
  ModelConfig config;
  Shards shards;
};

/// Whether the file's name ends in .gguf, in any case.
[[nodiscard]] bool has_gguf_name(const std::filesystem::path& path);

/// The file's name without ".gguf" and without the number of a split: "Llama-3.1-8B-Q4_K_M".
[[nodiscard]] std::string gguf_model_name(const std::filesystem::path& path);

/// Maps the file and, when its metadata says that it is the first of several, the other splits beside it;
/// checks that every tensor has a type that strata reads, whole rows of blocks, and bytes of its own within
/// its file. Reads the config and the rope factors ("rope_freqs.weight", which stays in the list). Throws
/// Error(bad_file) naming a missing split, Error(usage) for a later split, Error(unsupported) for what
/// strata does not compute.
[[nodiscard]] GgufModel open_gguf(const std::filesystem::path& path);

}  // namespace strata
