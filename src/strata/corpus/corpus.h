// Text as the engine sees it: documents, cut into windows of token ids that never cross documents.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "strata/corpus/read_documents.h"
#include "strata/tokenizer/tokenizer.h"

namespace strata {

inline constexpr int kMinWindowTokens = 64;

/// How documents shorter than a window share one; they are joined in order, each whole.
enum class Packing {
  none,
  separate,  ///< each is a window of its own, BOS first: attention stays inside it. A pack is a group of them
  concatenated  ///< one after the other in one window, nothing between them: later ones see earlier ones
};
/// Throws Error(usage) naming the option pack.
[[nodiscard]] Packing parse_packing(const std::string& name);

struct Window {
  int document = 0;               ///< index into Corpus::documents
  int index = 0;                  ///< within its document
  std::vector<std::int32_t> ids;  ///< BOS first where the tokenizer's template puts one
};

/// The unit of resampling: a document, or with Packing a pack of whole documents.
struct CorpusDocument {
  std::string name;
  std::int64_t bytes = 0;
  std::int64_t dropped_tokens = 0;  ///< of a last piece that is too short for a window
  std::string sha256 = {};          ///< of its text or ids
  bool is_group = false;            ///< its windows are documents of their own: lanes take several
};

struct Corpus {
  std::string name;        ///< of the file or directory
  std::string sha256;      ///< over the documents' names and contents, or over the ids
  std::string bos_policy;  ///< in words: "each window begins with <|endoftext|> (4095)"; also of packing
  std::vector<CorpusDocument> documents;
  std::vector<Window> windows;        ///< ordered by document, then index
  int prefix_tokens = 0;              ///< at the head of every window: BOS, or nothing
  std::vector<std::string> notes;     ///< e.g. documents left out because they are too short
  std::vector<std::string> warnings;  ///< the numbers may not be of what the user has in mind

  [[nodiscard]] std::int64_t token_count() const;
  /// What windows and documents take in memory.
  [[nodiscard]] std::uint64_t memory_bytes() const;
};

struct CorpusOptions {
  int context = 512;  ///< longest window, its BOS included
  int chunks = 0;     ///< at most this many windows in all, 0 = all; taken round-robin over documents
  int limit = 0;      ///< at most this many documents, 0 = all
  std::string end_of_text = {};  ///< text that separates documents inside one file; empty = none
  Packing packing = Packing::none;
  bool groups = true;              ///< with Packing::separate: several documents make one of the record
  std::uint64_t memory_bytes = 0;  ///< for text and ids; 0 = not looked at
};

/// Makes a corpus of documents that come one at a time: a text is forgotten when its ids are there.
class CorpusBuilder {
 public:
  /// `tokenizer` is asked for when the first text comes. `vocab`: ids are below it.
  CorpusBuilder(std::string name, const CorpusOptions& options, std::int64_t vocab,
                std::function<const Tokenizer&()> tokenizer);
  ~CorpusBuilder();
  /// Throws Error(out_of_memory) where the text does not fit, Error(bad_file) for an id that the model has
  /// not.
  void add(RawDocument&& document);
  /// Throws Error(bad_file) where there is no window, saying how many tokens there were.
  [[nodiscard]] Corpus finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Tokenizes and cuts. Documents shorter than kMinWindowTokens are left out with a note, unless they are
/// packed or there is no longer one: then they are measured as they are, from two tokens on.
[[nodiscard]] Corpus make_corpus(const std::vector<RawDocument>& documents, const std::string& name,
                                 const Tokenizer& tokenizer, const CorpusOptions& options);

/// A warning that names the documents whose text is the same, byte for byte, as that of another one; empty
/// where there are none. Resampling takes documents for independent.
[[nodiscard]] std::string equal_documents_warning(const Corpus& corpus);

/// Token ids given directly, in any form that read_documents knows; the ids are used as they are (no BOS
/// added).
[[nodiscard]] Corpus corpus_from_ids(const std::filesystem::path& path, std::int32_t vocab,
                                     const CorpusOptions& options);

}  // namespace strata
