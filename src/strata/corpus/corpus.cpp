#include "strata/corpus/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <variant>

#include "strata/base/error.h"
#include "strata/base/npy.h"
#include "strata/base/sha256.h"

namespace strata {
namespace {

constexpr std::size_t kMinWindow = kMinWindowTokens;
constexpr std::size_t kNamedLeftOut = 8;  // documents that a note names before it only counts
constexpr std::size_t kNamedEqual = 16;   // documents that the warning of equal ones names

std::string le64(std::uint64_t value) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((value >> shift) & 0xff);
  return bytes;
}

void check_options(const CorpusOptions& options) {
  const auto refuse = [](const char* name, int value, const char* expected) {
    throw Error(ErrorKind::usage,
                {.where = name, .found = fmt::format("{}", value), .expected = std::string(expected)});
  };
  if (options.context < kMinWindowTokens) refuse("context", options.context, "at least 64 tokens");
  if (options.chunks < 0) refuse("chunks", options.chunks, "0 (all) or more");
  if (options.limit < 0) refuse("limit", options.limit, "0 (all) or more");
}

[[noreturn]] void too_short(const std::string& where, std::size_t tokens, std::size_t documents) {
  const std::string of = documents > 1 ? fmt::format(" in the longest of {} documents", documents) : "";
  throw Error(ErrorKind::bad_file, {.where = where,
                                    .found = fmt::format("{} tokens{}", tokens, of),
                                    .expected = fmt::format("at least {}", kMinWindow)});
}

/// The windows of one document, and what was too short for one.
struct Cut {
  std::vector<Window> windows;
  std::int64_t dropped_tokens = 0;
};

// Pieces of `context` ids, the prefix at the head of each included.
Cut cut_windows(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& prefix,
                std::size_t context, int document) {
  Cut cut;
  const std::size_t piece = context - prefix.size();
  for (std::size_t at = 0; at < ids.size(); at += piece) {
    const std::size_t count = std::min(piece, ids.size() - at);
    if (prefix.size() + count < kMinWindow) {
      cut.dropped_tokens = static_cast<std::int64_t>(count);
      break;
    }
    Window window{.document = document, .index = static_cast<int>(cut.windows.size()), .ids = prefix};
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    window.ids.insert(window.ids.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
    cut.windows.push_back(std::move(window));
  }
  return cut;
}

// Keeps `chunks` windows: the first of every document, then the second of every document, and so on,
// so that a short run still sees many documents.
void keep_round_robin(Corpus& corpus, int chunks) {
  const auto wanted = static_cast<std::size_t>(chunks);
  if (chunks == 0 || corpus.windows.size() <= wanted) return;
  const auto turn = [](const Window& a, const Window& b) {
    return std::pair(a.index, a.document) < std::pair(b.index, b.document);
  };
  const auto order = [](const Window& a, const Window& b) {
    return std::pair(a.document, a.index) < std::pair(b.document, b.index);
  };
  std::sort(corpus.windows.begin(), corpus.windows.end(), turn);
  corpus.notes.push_back(fmt::format("{} of {} windows used", wanted, corpus.windows.size()));
  corpus.windows.resize(wanted);
  std::sort(corpus.windows.begin(), corpus.windows.end(), order);
}

// Documents without a window (possible when chunks < documents) must not look as if they were scored.
void drop_unused_documents(Corpus& corpus) {
  std::vector<int> new_index(corpus.documents.size(), -1);
  std::vector<CorpusDocument> used;
  for (Window& window : corpus.windows) {
    int& index = new_index[static_cast<std::size_t>(window.document)];
    if (index < 0) {
      index = static_cast<int>(used.size());
      used.push_back(std::move(corpus.documents[static_cast<std::size_t>(window.document)]));
    }
    window.document = index;
  }
  if (used.size() < corpus.documents.size())
    corpus.notes.push_back(fmt::format("{} of {} documents have a window among those used", used.size(),
                                       corpus.documents.size()));
  corpus.documents = std::move(used);
}

std::string policy_in_words(const Tokenizer& tokenizer) {
  const std::string source =
      tokenizer.special_source().empty() ? "" : fmt::format(" (by {})", tokenizer.special_source());
  if (tokenizer.prefix().empty())
    return "no BOS: windows are the text's own tokens; EOS is never added" + source;
  std::string tokens;
  for (const std::int32_t id : tokenizer.prefix())
    tokens += fmt::format("{}{} ({})", tokens.empty() ? "" : ", ", tokenizer.token_bytes(id), id);
  return fmt::format("each window begins with {}; EOS is never added{}", tokens, source);
}

/// Documents that have no window, with their token counts.
struct LeftOut {
  std::size_t count = 0;
  std::size_t longest = 0;  // in tokens
  std::string names;
  void add(const std::string& name, std::size_t tokens) {
    if (count < kNamedLeftOut) names += fmt::format("{}{} ({} tokens)", count == 0 ? "" : ", ", name, tokens);
    ++count;
    longest = std::max(longest, tokens);
  }
  [[nodiscard]] std::string note() const {
    const std::string rest = count > kNamedLeftOut ? fmt::format(" and {} more", count - kNamedLeftOut) : "";
    return fmt::format("left out, shorter than {} tokens: {}{}", kMinWindow, names, rest);
  }
};

void check_prefix(const Tokenizer& tokenizer) {
  if (tokenizer.prefix().size() < kMinWindow) return;
  throw Error(ErrorKind::unsupported,
              {.where = "tokenizer",
               .found = fmt::format("{} tokens before every text", tokenizer.prefix().size()),
               .expected = fmt::format("fewer than {}", kMinWindow)});
}

void add_document(Corpus& corpus, LeftOut& left_out, const RawDocument& document, const Tokenizer& tokenizer,
                  int context) {
  const auto ids = tokenizer.encode(document.text, false, document.name);
  Cut cut = cut_windows(ids, tokenizer.prefix(), static_cast<std::size_t>(context),
                        static_cast<int>(corpus.documents.size()));
  if (cut.windows.empty()) return left_out.add(document.name, ids.size() + tokenizer.prefix().size());
  corpus.documents.push_back({.name = document.name,
                              .bytes = static_cast<std::int64_t>(document.text.size()),
                              .dropped_tokens = cut.dropped_tokens,
                              .sha256 = sha256_hex(document.text)});
  std::move(cut.windows.begin(), cut.windows.end(), std::back_inserter(corpus.windows));
}

// Lengths go in too, so that no two lists of documents have the same bytes.
std::string digest_of(std::span<const RawDocument> documents) {
  Sha256 digest;
  for (const RawDocument& document : documents) {
    for (const std::string& part : {document.name, document.text}) {
      digest.update(le64(part.size()));
      digest.update(part);
    }
  }
  return digest.hex();
}

std::vector<std::int32_t> ids_of(const NpyArray& array, std::int32_t vocab, const std::string& where) {
  std::vector<std::int32_t> ids(array.size());
  const auto convert = [&](const auto& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0 || values[i] >= vocab) {
        throw Error(ErrorKind::bad_file,
                    {.where = where,
                     .found = fmt::format("id {} at position {}", values[i], i),
                     .expected = fmt::format("ids in [0, {}), the model's vocabulary", vocab)});
      }
      ids[i] = static_cast<std::int32_t>(values[i]);
    }
  };
  if (const auto* narrow = std::get_if<std::vector<std::int32_t>>(&array.data)) {
    convert(*narrow);
  } else if (const auto* wide = std::get_if<std::vector<std::int64_t>>(&array.data)) {
    convert(*wide);
  } else {
    throw Error(
        ErrorKind::bad_file,
        {.where = where, .found = "floating-point values", .expected = "token ids of int32 or int64"});
  }
  return ids;
}

}  // namespace

std::int64_t Corpus::token_count() const {
  std::int64_t count = 0;
  for (const Window& window : windows) count += static_cast<std::int64_t>(window.ids.size());
  return count;
}

Corpus make_corpus(const std::vector<RawDocument>& documents, const std::string& name,
                   const Tokenizer& tokenizer, const CorpusOptions& options) {
  check_options(options);
  check_prefix(tokenizer);
  Corpus corpus;
  corpus.name = name;
  corpus.bos_policy = policy_in_words(tokenizer);
  corpus.prefix_tokens = static_cast<int>(tokenizer.prefix().size());
  const std::size_t wanted = options.limit == 0
                                 ? documents.size()
                                 : std::min(documents.size(), static_cast<std::size_t>(options.limit));
  LeftOut left_out;
  for (std::size_t d = 0; d < wanted; ++d)
    add_document(corpus, left_out, documents[d], tokenizer, options.context);
  if (corpus.windows.empty()) too_short(name, left_out.longest, wanted);
  corpus.sha256 = digest_of({documents.data(), wanted});
  if (wanted < documents.size())
    corpus.notes.push_back(fmt::format("the first {} of {} documents used", wanted, documents.size()));
  if (left_out.count > 0) corpus.notes.push_back(left_out.note());
  keep_round_robin(corpus, options.chunks);
  drop_unused_documents(corpus);
  return corpus;
}

std::string equal_documents_warning(const Corpus& corpus) {
  std::map<std::string, std::vector<std::string>> by_text;
  std::vector<std::string> order;  // of first appearance
  for (const CorpusDocument& document : corpus.documents) {
    if (document.sha256.empty()) continue;
    auto& names = by_text[document.sha256];
    if (names.empty()) order.push_back(document.sha256);
    names.push_back(document.name);
  }
  std::size_t documents = 0;
  std::string groups;
  bool unnamed = false;
  for (const std::string& text : order) {
    const auto& names = by_text[text];
    if (names.size() < 2) continue;
    documents += names.size();
    unnamed = documents > kNamedEqual && !groups.empty();
    if (unnamed) continue;
    const std::size_t named = std::min(names.size(), kNamedEqual);
    groups += groups.empty() ? "" : "; ";
    for (std::size_t i = 0; i < named; ++i) groups += (i == 0 ? "" : " = ") + names[i];
    if (named < names.size()) groups += fmt::format(" = {} more", names.size() - named);
  }
  if (groups.empty()) return {};
  return fmt::format(
      "documents with the same text, byte for byte: {} of {} ({}{}); they are resampled as if they were "
      "independent, so standard errors and intervals are too small",
      documents, corpus.documents.size(), groups, unnamed ? "; ..." : "");
}

Corpus corpus_from_ids(const std::filesystem::path& npy, std::int32_t vocab, const CorpusOptions& options) {
  check_options(options);
  const std::string where = npy.string();
  const NpyArray array = read_npy(npy);
  if (array.shape.size() != 1) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = fmt::format("{} dimensions", array.shape.size()),
                                      .expected = "one-dimensional token ids"});
  }
  const auto ids = ids_of(array, vocab, where);
  Corpus corpus;
  corpus.name = npy.filename().string();
  corpus.bos_policy = "token ids as given; nothing is added";
  std::string bytes;
  for (const std::int32_t id : ids) bytes += le64(static_cast<std::uint64_t>(id));
  corpus.sha256 = sha256_hex(bytes);
  Cut cut = cut_windows(ids, {}, static_cast<std::size_t>(options.context), 0);
  if (cut.windows.empty()) too_short(where, ids.size(), 1);
  corpus.documents.push_back({.name = corpus.name, .dropped_tokens = cut.dropped_tokens});
  corpus.windows = std::move(cut.windows);
  keep_round_robin(corpus, options.chunks);
  return corpus;
}

}  // namespace strata
