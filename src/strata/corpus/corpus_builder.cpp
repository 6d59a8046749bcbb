// Documents to windows: cutting, packing, the choice of a part, and what there is to say about it.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <span>
#include <tuple>

#include "strata/base/error.h"
#include "strata/base/sha256.h"
#include "strata/corpus/corpus.h"
#include "strata/corpus/corpus_words.h"
#include "strata/corpus/packer.h"

namespace strata {
namespace {

constexpr std::size_t kFewest = 2;  // tokens of a window: one that is scored, and one before it
// Ids while a text is encoded: about 3 bytes for each of its bytes, and a copy where it is normalised.
constexpr std::uint64_t kEncodingBytes = 4;

std::string le64(std::uint64_t value) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((value >> shift) & 0xff);
  return bytes;
}

void check_options(const CorpusOptions& options) {
  const auto refuse = [](const char* name, int value, const char* expected) {
    throw Error(ErrorKind::usage,
                {.option = name, .found = fmt::format("{}", value), .expected = std::string(expected)});
  };
  if (options.context < static_cast<int>(kFewest)) refuse("context", options.context, "at least 2 tokens");
  if (options.chunks < 0) refuse("chunks", options.chunks, "0 (all) or more");
  if (options.limit < 0) refuse("limit", options.limit, "0 (all) or more");
}

/// The windows of one document, and what was too short for one.
struct Cut {
  std::vector<Window> windows;
  std::int64_t dropped_tokens = 0;
};

// Pieces of `context` ids, the prefix at the head of each included, of at least `fewest`.
Cut cut_windows(std::span<const std::int32_t> ids, const std::vector<std::int32_t>& prefix,
                std::size_t context, std::size_t fewest, int document) {
  Cut cut;
  const std::size_t piece = context - prefix.size();
  for (std::size_t at = 0; at < ids.size(); at += piece) {
    const std::size_t count = std::min(piece, ids.size() - at);
    if (prefix.size() + count < fewest) {
      cut.dropped_tokens = static_cast<std::int64_t>(count);
      break;
    }
    Window window{.document = document, .index = static_cast<int>(cut.windows.size()), .ids = {}};
    window.ids.reserve(prefix.size() + count);
    window.ids = prefix;
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    window.ids.insert(window.ids.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
    cut.windows.push_back(std::move(window));
  }
  return cut;
}

bool in_turn(const Window& a, const Window& b) {
  return std::tie(a.index, a.document) < std::tie(b.index, b.document);
}

bool in_order(const Window& a, const Window& b) {
  return std::tie(a.document, a.index) < std::tie(b.document, b.index);
}

// The first window of every document, then the second of every document, and so on, so that a short run still
// sees many documents. Documents that come later only push windows out.
void keep_in_turn(std::vector<Window>& windows, std::size_t wanted) {
  if (windows.size() <= wanted) return;
  std::sort(windows.begin(), windows.end(), in_turn);
  windows.resize(wanted);
  std::sort(windows.begin(), windows.end(), in_order);
}

// Documents without a window (possible when chunks < documents) must not look as if they were scored.
void drop_unused_documents(Corpus& corpus, bool said) {
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
  if (said && used.size() < corpus.documents.size())
    corpus.notes.push_back(fmt::format("{} of {} documents have a window among those used", used.size(),
                                       corpus.documents.size()));
  corpus.documents = std::move(used);
}

}  // namespace

struct CorpusBuilder::State {
  State(std::string name, const CorpusOptions& o, std::int64_t vocabulary,
        std::function<const Tokenizer&()> get)
      : options(o), vocab(vocabulary), get_tokenizer(std::move(get)) {
    corpus.name = std::move(name);
    context = static_cast<std::size_t>(options.context);
    fewest = std::min<std::size_t>(kMinWindowTokens, context);
  }

  // What waits in case that no document is long enough.
  struct Short {
    CorpusDocument document;
    std::vector<std::int32_t> ids;
  };

  void begin_text() {
    if (tokenizer != nullptr) return;
    tokenizer = &get_tokenizer();
    prefix = tokenizer->prefix();
    if (prefix.size() >= fewest) {
      throw Error(ErrorKind::unsupported, {.where = "tokenizer",
                                           .found = fmt::format("{} tokens before every text", prefix.size()),
                                           .expected = fmt::format("fewer than {}", fewest)});
    }
    corpus.bos_policy = policy_in_words(*tokenizer);
    begin_packing();
  }

  void begin_packing() {
    if (options.packing == Packing::none) return;
    packer.emplace(options.packing, options.groups ? context : 0, prefix);
  }

  void require_memory(std::uint64_t more, const std::string& name) const {
    if (options.memory_bytes == 0 || held + more <= options.memory_bytes) return;
    constexpr double kGib = 1073741824.0;
    throw Error(
        ErrorKind::out_of_memory,
        {.option = "mem_limit",
         .found = fmt::format("text and token ids need more than {:.2f} GiB at {}",
                              static_cast<double>(held + more) / kGib, name),
         .expected = fmt::format("at most {:.2f} GiB", static_cast<double>(options.memory_bytes) / kGib),
         .hint = "fewer documents (--limit), fewer windows (--chunks), or smaller documents need less"});
  }

  std::vector<std::int32_t> take_ids(RawDocument& document) {
    if (document.ids) {
      saw_ids = true;
      if (corpus.bos_policy.empty()) {
        corpus.bos_policy = "token ids as given; nothing is added";
        begin_packing();
      }
      return checked_ids(*document.ids, document.name);
    }
    saw_text = true;
    begin_text();
    require_memory(document.text.size() * (1 + kEncodingBytes), document.name);
    std::vector<std::int32_t> ids = tokenizer->encode(document.text, false, document.name);
    // More tokens than rows (padding, tokens for images) matter only where a text uses one.
    for (const std::int32_t id : ids) {
      if (id < vocab) continue;
      throw Error(
          ErrorKind::bad_file,
          {.where = document.name,
           .found = fmt::format("token {} (\"{}\")", id, tokenizer->token_bytes(id)),
           .expected = fmt::format("tokens below {}, the rows of the model's embedding", vocab),
           .hint = fmt::format("take it out of the text, or is {} of another model?", tokenizer->where())});
    }
    return ids;
  }

  std::vector<std::int32_t> checked_ids(const std::vector<std::int64_t>& given,
                                        const std::string& name) const {
    require_memory(given.size() * (sizeof(std::int64_t) + sizeof(std::int32_t)), name);
    std::vector<std::int32_t> ids(given.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i] < 0 || given[i] >= vocab) {
        throw Error(
            ErrorKind::bad_file,
            {.where = name,
             .found = fmt::format("id {} at position {}", given[i], i),
             .expected = fmt::format("ids in [0, {}), the model's vocabulary", vocab),
             .hint = given[i] < 0 ? "take padding off; rows of different length: JSON lines with input_ids"
                                  : ""});
      }
      ids[i] = static_cast<std::int32_t>(given[i]);
    }
    return ids;
  }

  std::string digest_document(const RawDocument& document) {
    if (!document.ids) {  // lengths go in too, so that no two lists of documents have the same bytes
      for (const std::string& part : {document.name, document.text}) {
        digest.update(le64(part.size()));
        digest.update(part);
      }
      return sha256_hex(document.text);
    }
    if (documents > 1) digest.update(le64(UINT64_MAX));  // no id
    Sha256 own;
    for (const std::int64_t id : *document.ids) {
      const std::string bytes = le64(static_cast<std::uint64_t>(id));
      digest.update(bytes);
      own.update(bytes);
    }
    return own.hex();
  }

  void add(RawDocument&& document) {
    ++offered;
    if (options.limit > 0 && documents >= static_cast<std::size_t>(options.limit)) return;
    ++documents;
    std::vector<std::int32_t> ids = take_ids(document);
    if (saw_ids && saw_text) {
      throw Error(
          ErrorKind::bad_file,
          {.where = document.name, .found = "text and token ids in one run", .expected = "one or the other"});
    }
    CorpusDocument entry{.name = document.name,
                         .bytes = static_cast<std::int64_t>(document.text.size()),
                         .sha256 = digest_document(document)};
    document = {};
    place(std::move(entry), std::move(ids));
  }

  void place(CorpusDocument&& entry, std::vector<std::int32_t>&& ids) {
    const std::size_t tokens = prefix.size() + ids.size();
    longest = std::max(longest, tokens);
    const bool scored = tokens >= kFewest && !ids.empty();
    if (packer && tokens <= context) {
      if (!scored) return left_out.add(entry.name, tokens);
      packed_equal[entry.sha256].push_back(entry.name);
      held += (tokens + prefix.size()) * sizeof(std::int32_t) + sizeof(Window);
      return packer->add(std::move(entry), std::move(ids), corpus.documents);
    }
    Cut cut = cut_windows(ids, prefix, context, fewest, static_cast<int>(corpus.documents.size()));
    if (cut.windows.empty()) {
      if (scored && total_windows == 0) {
        held += tokens * sizeof(std::int32_t) + sizeof(Short) + entry.name.size();
        waiting.push_back({entry, std::move(ids)});
      }
      return left_out.add(entry.name, tokens);
    }
    waiting.clear();
    entry.dropped_tokens = cut.dropped_tokens;
    keep(std::move(entry), std::move(cut.windows));
  }

  void keep(CorpusDocument&& entry, std::vector<Window>&& windows) {
    total_windows += windows.size();
    corpus.documents.push_back(std::move(entry));
    for (Window& window : windows) {
      held += window.ids.size() * sizeof(std::int32_t) + sizeof(Window);
      corpus.windows.push_back(std::move(window));
    }
    const auto wanted = static_cast<std::size_t>(options.chunks);
    if (wanted > 0 && corpus.windows.size() > 2 * wanted + 1024) {
      keep_in_turn(corpus.windows, wanted);
      held = corpus.memory_bytes();
    }
    require_memory(0, corpus.documents.back().name);
  }

  // No document reaches the shortest window: they are measured as they are.
  void use_short_documents() {
    if (!corpus.windows.empty() || waiting.empty()) return;
    const std::size_t count = waiting.size();
    for (Short& one : waiting) {
      Cut cut = cut_windows(one.ids, prefix, context, kFewest, static_cast<int>(corpus.documents.size()));
      keep(std::move(one.document), std::move(cut.windows));
    }
    waiting.clear();
    left_out = {};
    corpus.notes.push_back(fmt::format(
        "{}; {} measured as {}, and attention sees little there{}",
        count == 1
            ? fmt::format("the text has only {} tokens", longest)
            : fmt::format("no document has {} tokens (the longest of {} has {})", fewest, count, longest),
        count == 1 ? "it is" : "they are", count == 1 ? "it is" : "they are",
        count == 1 ? "" : "; --pack joins short documents"));
  }

  void pack() {
    if (!packer) return;
    const PackedWindows packed = packer->finish(corpus.documents, fewest);
    total_windows += packed.windows.size();
    corpus.windows.insert(corpus.windows.end(), packed.windows.begin(), packed.windows.end());
    std::sort(corpus.windows.begin(), corpus.windows.end(), in_order);
    if (packed.documents == 0) return;
    corpus.notes.push_back(packed.note);
    if (packed.left_out > 0) {
      corpus.notes.push_back(fmt::format("left out, in a pack that is not half full: {} document{}",
                                         packed.left_out, packed.left_out == 1 ? "" : "s"));
    }
    std::size_t equal = 0;
    std::string example;
    for (const auto& [sha, names] : packed_equal) {
      if (names.size() < 2) continue;
      equal += names.size();
      if (example.empty()) example = names[0] + " = " + names[1];
    }
    if (equal > 0) {
      corpus.warnings.push_back(fmt::format(
          "packed documents with the same text, byte for byte: {} (such as {}); packs that hold them "
          "are resampled as if they were independent, so standard errors and intervals are too small",
          equal, example));
    }
  }

  Corpus finish() {
    corpus.prefix_tokens = static_cast<int>(prefix.size());
    pack();
    use_short_documents();
    if (corpus.windows.empty()) {
      const std::string of = documents > 1 ? fmt::format(" in the longest of {} documents", documents) : "";
      throw Error(ErrorKind::bad_file,
                  {.where = corpus.name,
                   .found = fmt::format("{} token{}{}", longest, longest == 1 ? "" : "s", of),
                   .expected = fmt::format("at least {}", kFewest)});
    }
    corpus.sha256 = digest.hex();
    corpus.bos_policy += packing_in_words(options.packing, options.groups);
    if (documents < offered)
      corpus.notes.push_back(fmt::format("the first {} of {} documents used", documents, offered));
    if (left_out.count > 0) {
      corpus.notes.push_back(packer ? left_out.note(kFewest, "")
                                    : left_out.note(fewest, "; --pack joins short documents"));
    }
    const auto wanted = static_cast<std::size_t>(options.chunks);
    const bool chosen = wanted > 0 && total_windows > wanted;
    if (chosen) {
      keep_in_turn(corpus.windows, wanted);
      corpus.notes.push_back(fmt::format("{} of {} windows used", wanted, total_windows));
    }
    drop_unused_documents(corpus, chosen);
    return std::move(corpus);
  }

  CorpusOptions options;
  std::int64_t vocab;
  std::function<const Tokenizer&()> get_tokenizer;
  const Tokenizer* tokenizer = nullptr;
  std::vector<std::int32_t> prefix;
  std::size_t context = 0, fewest = 0;
  Corpus corpus;
  Sha256 digest;
  LeftOut left_out;
  std::vector<Short> waiting;
  std::optional<Packer> packer;
  std::map<std::string, std::vector<std::string>> packed_equal;  // names by the digest of the text
  std::size_t offered = 0, documents = 0, total_windows = 0, longest = 0;
  std::uint64_t held = 0;
  bool saw_ids = false, saw_text = false;
};

CorpusBuilder::CorpusBuilder(std::string name, const CorpusOptions& options, std::int64_t vocab,
                             std::function<const Tokenizer&()> tokenizer) {
  check_options(options);
  state_ = std::make_unique<State>(std::move(name), options, vocab, std::move(tokenizer));
}
CorpusBuilder::~CorpusBuilder() = default;

void CorpusBuilder::add(RawDocument&& document) {
  state_->add(std::move(document));
}

Corpus CorpusBuilder::finish() {
  return state_->finish();
}

Corpus make_corpus(const std::vector<RawDocument>& documents, const std::string& name,
                   const Tokenizer& tokenizer, const CorpusOptions& options) {
  CorpusBuilder builder(name, options, tokenizer.vocab_size(),
                        [&]() -> const Tokenizer& { return tokenizer; });
  for (RawDocument document : documents) builder.add(std::move(document));
  return builder.finish();
}

Corpus corpus_from_ids(const std::filesystem::path& path, std::int32_t vocab, const CorpusOptions& options) {
  CorpusBuilder builder(path.filename().string(), options, vocab, [&]() -> const Tokenizer& {
    throw Error(ErrorKind::bad_file, {.where = path.string(), .found = "text", .expected = "token ids"});
  });
  (void)read_documents({.paths = {path}}, [&](RawDocument&& document) { builder.add(std::move(document)); });
  return builder.finish();
}

}  // namespace strata
