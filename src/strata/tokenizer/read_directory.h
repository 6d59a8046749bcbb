// The tokenizer of a folder: which of its files count.
#pragma once

#include <filesystem>
#include <string>

#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// A tokenizer as it was found on the disk.
struct FoundTokenizer {
  TokenizerFile file;
  std::string where;  ///< the file, for messages
  /// Of the file's bytes. Where several files were read (vocab.json and merges.txt; tokenizer_config.json and
  /// special_tokens_map.json beside any), of their digests one after the other, in hexadecimal digits.
  std::string sha256;
};

/// tokenizer.json with the files beside it that transformers reads, else tokenizer.model, else vocab.json and
/// merges.txt. Error(bad_file) where none is there, a link leads nowhere, or a file is damaged.
[[nodiscard]] FoundTokenizer read_tokenizer_directory(const std::filesystem::path& directory);

/// A file: tokenizer.json, tokenizer.model or vocab.json, by content (and, for its companions, by name); what
/// lies beside it counts as in a folder.
[[nodiscard]] FoundTokenizer read_tokenizer_path(const std::filesystem::path& file);

/// Whether a folder has one of these files, a broken link included.
[[nodiscard]] bool has_tokenizer(const std::filesystem::path& directory);

}  // namespace strata
