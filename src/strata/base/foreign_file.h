// What a file is that was taken for something else: told by its first bytes, for error messages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strata {

struct ForeignFile {
  std::string what;  ///< "a Git LFS pointer"
  std::string hint;  ///< what to do
};

/// Recognises Git LFS pointers, HTML pages, messages of a download server, archives, pickles, GGML files
/// older than GGUF, imatrix files and empty files. Nothing for anything else.
[[nodiscard]] std::optional<ForeignFile> recognise_foreign(std::span<const std::byte> first_bytes);
[[nodiscard]] std::optional<ForeignFile> recognise_foreign(std::string_view first_bytes);
/// Of the first 4 KiB of a file; nothing where it cannot be read.
[[nodiscard]] std::optional<ForeignFile> recognise_foreign_file(const std::filesystem::path& path);

/// Whether the first 4 KiB of a file are text: no zero byte, no control characters but white space.
[[nodiscard]] bool looks_like_text(const std::filesystem::path& path);

}  // namespace strata
