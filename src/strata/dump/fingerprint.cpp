#include "strata/dump/fingerprint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "strata/base/file.h"
#include "strata/base/sha256.h"

namespace strata {

std::string checkpoint_fingerprint(const Checkpoint& checkpoint) {
  constexpr std::size_t kEnd = 4096;
  std::vector<MappedFile> files;
  for (const auto& path : checkpoint.files()) files.emplace_back(path);
  Sha256 digest;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    digest.update(
        fmt::format("{} {} {}\n", tensor.name, to_string(tensor.dtype), fmt::join(tensor.shape, "x")));
    const auto bytes = files[tensor.file].view(tensor.offset_bytes, tensor.size_bytes);
    const std::size_t end = std::min(kEnd, bytes.size());
    digest.update(bytes.first(end));
    digest.update(bytes.last(end));
  }
  return digest.hex();
}

}  // namespace strata
