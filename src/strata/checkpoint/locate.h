// From what a user calls a model to the files on disk: a directory, a .gguf, the first split of several,
// or org/name[@revision] in the Hugging Face Hub cache. Never touches the network.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strata/checkpoint/hub_cache.h"

namespace strata {

enum class ModelFormat { safetensors, gguf };

struct ModelLocation {
  ModelFormat format = ModelFormat::safetensors;
  std::filesystem::path path;  ///< the directory with config.json, or the (first) .gguf file
  /// GGUF: the file, or every split in order. Else empty, or the one .safetensors file that was asked for.
  std::vector<std::filesystem::path> files;
  std::string name;      ///< for people and default outputs: "Llama-3.2-1B"
  std::string hub_id;    ///< "org/name" when found in the Hub cache, else empty
  std::string revision;  ///< commit of the Hub snapshot, else empty
};

/// Resolves `model`. A path that exists wins over a Hub id; a path into a Hub snapshot knows its id and
/// revision too, and a folder models--org--name stands for its main revision. A file is GGUF by its first
/// bytes, whatever its name; config.json, an index and the usual weight files stand for their directory,
/// another .safetensors file for that directory with this file as its weights. A directory without
/// safetensors weights may hold one GGUF model (a file, or one set of splits), in a folder below it too; with
/// several, Error(usage) lists them. Throws Error(usage) naming every place looked at when there is nothing,
/// and what may have been meant; Error(bad_file) for a snapshot or a set of splits with parts missing,
/// Error(unsupported) for a file of another kind.
[[nodiscard]] ModelLocation locate_model(const std::string& model,
                                         const HubEnvironment& environment = hub_environment());

}  // namespace strata
