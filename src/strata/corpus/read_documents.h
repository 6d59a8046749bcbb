// Files, folders, pipes and data sets to documents, one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// One document as it was read: its text, or token ids.
struct RawDocument {
  std::string name;
  std::string text;
  std::optional<std::vector<std::int64_t>> ids = {};
};

struct ReadOptions {
  std::vector<std::filesystem::path> paths;  ///< files, folders, "-" for standard input
  /// Text that separates documents inside one; asked for when the first text comes, empty = none.
  std::function<std::string()> end_of_text = {};
  std::string text_key = {};     ///< where a JSON record has its text, like "a.b"; empty: see read_record
  std::string text_format = {};  ///< see parse_text_format
  std::string ids_dtype = {};    ///< files that are no .npy are raw ids of this type; empty: they are text
  bool recursive = false;        ///< folders inside folders, too
  std::uint64_t limit_bytes = std::uint64_t{1} << 32;  ///< of one document, or a whole file without documents
};

/// What the reader says of what it did, beside the documents.
struct ReadRemarks {
  std::vector<std::string> notes;
  std::vector<std::string> warnings;  ///< the numbers may not be of what the user has in mind
};

/// UTF-8 text, JSON (lines, a list, records with a text, a conversation or token ids), .npy; each recognised
/// by its content, through gzip or Zstandard. Files of a folder come in the order of their names' bytes,
/// hidden ones are skipped. Throws Error(bad_file) naming file and place, Error(usage) for options that
/// nothing used.
[[nodiscard]] ReadRemarks read_documents(const ReadOptions& options,
                                         const std::function<void(RawDocument&&)>& document);

/// The same of bytes that are in memory; their name's extension counts.
[[nodiscard]] ReadRemarks read_document_bytes(std::string bytes, const std::string& name,
                                              const ReadOptions& options,
                                              const std::function<void(RawDocument&&)>& document);

/// All documents of one path in memory.
[[nodiscard]] std::vector<RawDocument> read_documents(const std::filesystem::path& path,
                                                      std::string_view end_of_text);

/// What a run calls its text: the name of the file or folder, or of the first and how many follow.
[[nodiscard]] std::string text_name(const std::vector<std::filesystem::path>& paths);

}  // namespace strata
