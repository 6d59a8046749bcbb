// Which files of a directory are a model's weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strata {

struct WeightFiles {
  std::vector<std::filesystem::path> files;  ///< in the order of their names
  std::filesystem::path index;               ///< the list to compare them with; empty = none
  [[nodiscard]] bool none() const { return files.empty() && index.empty(); }
};

/// model.safetensors; else model.safetensors.index.json (whose shards it names, so `files` is empty); else a
/// whole set model-00001-of-0000N.safetensors; else consolidated.safetensors. Throws Error(bad_file) for a
/// set without an index of which a part is missing.
[[nodiscard]] WeightFiles find_weight_files(const std::filesystem::path& directory);

/// Whether anything there is weights, in whatever format.
[[nodiscard]] bool has_weights(const std::filesystem::path& directory);

/// Throws the error for a directory without weights that strata reads, naming what lies there instead: an
/// adapter, a pickle, a .safetensors file under another name.
[[noreturn]] void refuse_without_weights(const std::filesystem::path& directory);

/// Whether the file is one of a set that is read whole: model.safetensors or
/// model-0000i-of-0000N.safetensors.
[[nodiscard]] bool is_usual_weight_name(const std::string& file);

/// "adapter_config.json: ...", for an adapter that lies beside full weights; else empty.
[[nodiscard]] std::string adapter_note(const std::filesystem::path& directory);
/// Throws Error(unsupported) where the directory holds an adapter (adapter_config.json).
void refuse_adapter(const std::filesystem::path& directory);

}  // namespace strata
