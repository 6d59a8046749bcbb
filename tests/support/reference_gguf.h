// The GGUF form of a Hugging Face folder, as llama.cpp's converter writes it (convert_hf_to_gguf.py): its
// names, keys, orders of rows, and float32 for vectors. Written from config.json and the bytes of the
// tensors, not from what strata reads of them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/gguf_file.h"
#include "tests/support/reference_tensors.h"

namespace strata::test {

/// What a GGUF file has no key for is left out: rope type `dynamic`, no_rope_layers.
[[nodiscard]] GgufFile reference_gguf(const std::filesystem::path& folder);
/// The same from config.json and the tensors of a checkpoint.
[[nodiscard]] GgufFile converted_gguf(const nlohmann::json& config,
                                      const std::map<std::string, Stored>& tensors);

}  // namespace strata::test
