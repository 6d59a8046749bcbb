// What llama.cpp's converter changes in the tensors of hybrids and of stacked experts before it names them
// (conversion/qwen.py of ggml-org/llama.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace strata::test {

struct Stored {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

/// Of all .safetensors files of a folder.
[[nodiscard]] std::map<std::string, Stored> read_tensors(const std::filesystem::path& folder);
[[nodiscard]] std::string to_float32(const Stored& tensor);

/// Names of the text model, without vision and multi-token tensors; experts one by one; of hybrids: norms
/// plus 1, -exp(A_log), the rows of qkv and z apart, and value heads in turn where the architecture has them
/// so.
[[nodiscard]] std::map<std::string, Stored> as_converted(std::map<std::string, Stored> tensors,
                                                         const nlohmann::json& config);

}  // namespace strata::test
