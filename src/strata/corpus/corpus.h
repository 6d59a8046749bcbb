// Text as the engine sees it: documents, cut into windows of token ids that never cross documents.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/tokenizer.h"

namespace strata {

inline constexpr int kMinWindowTokens = 64;

struct Window {
  int document = 0;               ///< index into Corpus::documents
  int index = 0;                  ///< within its document
  std::vector<std::int32_t> ids;  ///< BOS first where the tokenizer's template puts one
};

struct CorpusDocument {
  std::string name;
  std::int64_t bytes = 0;
  std::int64_t dropped_tokens = 0;  ///< of a last piece shorter than kMinWindowTokens
  std::string sha256 = {};          ///< of its text; empty where ids were given
};

struct Corpus {
  std::string name;        ///< of the file or directory
  std::string sha256;      ///< over the documents' names and contents, or over the ids
  std::string bos_policy;  ///< in words: "each window begins with <|endoftext|> (4095)"
  std::vector<CorpusDocument> documents;
  std::vector<Window> windows;     ///< ordered by document, then index
  int prefix_tokens = 0;           ///< at the head of every window: BOS, or nothing
  std::vector<std::string> notes;  ///< e.g. documents left out because they are too short

  [[nodiscard]] std::int64_t token_count() const;
};

struct CorpusOptions {
  int context = 512;  ///< longest window, its BOS included
  int chunks = 0;     ///< at most this many windows in all, 0 = all; taken round-robin over documents
  int limit = 0;      ///< at most this many documents, 0 = all
  std::string end_of_text = {};  ///< text that separates documents inside one file; empty = none
};

/// One document's raw text.
struct RawDocument {
  std::string name;
  std::string text;
};

/// Reads a UTF-8 file, a directory of files (by name order, hidden files skipped), or JSONL with a
/// "text" field (by extension .jsonl). Throws Error(bad_file) naming the file and the byte offset for
/// invalid UTF-8, naming the line for bad JSONL, and for empty input.
[[nodiscard]] std::vector<RawDocument> read_documents(const std::filesystem::path& path,
                                                      std::string_view end_of_text);

/// Tokenizes and cuts. Documents shorter than kMinWindowTokens are left out with a note; if none
/// is left, Error(bad_file) says how many tokens there were.
[[nodiscard]] Corpus make_corpus(const std::vector<RawDocument>& documents, const std::string& name,
                                 const Tokenizer& tokenizer, const CorpusOptions& options);

/// A warning that names the documents whose text is the same, byte for byte, as that of another one; empty
/// where there are none. Resampling takes documents for independent.
[[nodiscard]] std::string equal_documents_warning(const Corpus& corpus);

/// Token ids given directly: a one-dimensional .npy of int32 or int64 is one document; the ids are
/// used as they are (no BOS added) and must be inside [0, vocab).
[[nodiscard]] Corpus corpus_from_ids(const std::filesystem::path& npy, std::int32_t vocab,
                                     const CorpusOptions& options);

}  // namespace strata
