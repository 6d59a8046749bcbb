// The files that hold a model's weights: found, mapped, and their tensor lists merged.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "strata/base/file.h"
#include "strata/checkpoint/checkpoint.h"

namespace strata {

struct Shards {
  std::vector<std::filesystem::path> paths;
  std::vector<MappedFile> maps;               ///< same order
  std::map<std::string, TensorInfo> tensors;  ///< every tensor of every file, by name

  [[nodiscard]] std::span<const std::byte> bytes(const TensorInfo& tensor) const {
    return maps[tensor.file].view(tensor.offset_bytes, tensor.size_bytes);
  }
  /// Adds a tensor of a file that is already mapped. Throws Error(bad_file) when the name is taken.
  void add(TensorInfo tensor);
};

/// Opens the weights of a directory (see find_weight_files), or `file` of it alone. Throws Error(bad_file)
/// where files and index disagree, Error(unsupported) where the directory holds weights of another format
/// only.
[[nodiscard]] Shards open_shards(const std::filesystem::path& directory,
                                 const std::filesystem::path& file = {});

}  // namespace strata
