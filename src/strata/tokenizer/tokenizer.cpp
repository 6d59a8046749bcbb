#include "strata/tokenizer/tokenizer.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/tokenizer/added_tokens.h"
#include "strata/tokenizer/bpe.h"
#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/tokenizer_file.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr std::size_t kFileLimitBytes = std::size_t{1} << 28;  // the largest published one has 2^25
constexpr std::size_t kCachedWordBytes = 64;
constexpr std::size_t kCachedWords = std::size_t{1} << 16;

// Canonical composition (Unicode, annex 15). Code points below U+0300 are composed already.
std::string to_nfc(std::string_view text) {
  const auto needs_work = [](char c) { return static_cast<unsigned char>(c) >= 0xcc; };
  if (std::none_of(text.begin(), text.end(), needs_work)) return std::string(text);
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  STRATA_CHECK(size >= 0);
  return {reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size)};
}

BpeModel make_model(const TokenizerFile& file) {
  std::array<std::int32_t, 256> byte_ids{};
  byte_ids.fill(-1);
  StringMap<std::int32_t> whole_words;
  for (const auto& [token, id] : file.vocab) {
    const auto bytes = byte_level_bytes(token);
    if (!bytes) continue;  // uses a character that no byte-level text contains: only a name
    if (bytes->size() == 1) byte_ids[static_cast<unsigned char>((*bytes)[0])] = id;
    if (file.ignore_merges) whole_words.emplace(*bytes, id);
  }
  return {byte_ids, file.merges, std::move(whole_words)};
}

}  // namespace

struct Tokenizer::Impl {
  Impl(TokenizerFile parsed, const std::string& source, std::string digest)
      : file(std::move(parsed)), where(source), sha256(std::move(digest)), model(make_model(file)) {
    for (std::size_t i = 0; i < file.split_patterns.size(); ++i)
      splits.emplace_back(file.split_patterns[i], file.split_where[i]);
    if (file.byte_level_split) byte_level_split.emplace(kGpt2Pattern, where);
    fill_tokens();
  }

  void fill_tokens() {
    tokens.resize(static_cast<std::size_t>(file.vocab_size));
    for (const auto& [token, id] : file.vocab)
      tokens[static_cast<std::size_t>(id)] = byte_level_bytes(token).value_or(token);
    StringMap<bool> normalized_seen;
    for (const AddedToken& added : file.added) {
      tokens[static_cast<std::size_t>(added.id)] = added.content;
      if (!added.normalized) {
        added_in_text.add(added.content, added.id);
        continue;
      }
      std::string content = file.nfc ? to_nfc(added.content) : added.content;
      if (!normalized_seen.emplace(content, true).second) {
        throw Error(ErrorKind::bad_file,
                    {.where = where + ": added_tokens",
                     .found = fmt::format("two tokens that normalise to {}", in_quotes(content)),
                     .expected = "distinct tokens"});
      }
      added_in_normalized.add(std::move(content), added.id);
    }
  }

  TokenizerFile file;
  std::string where;
  std::string sha256;
  BpeModel model;
  std::vector<SplitPattern> splits;
  std::optional<SplitPattern> byte_level_split;
  AddedTokenMatcher added_in_text;
  AddedTokenMatcher added_in_normalized;
  std::vector<std::string> tokens;  // bytes by id; empty = no such id
};

namespace {

// One call of encode: the output and a cache of words seen before. The cache never changes a result.
class Encoding {
 public:
  explicit Encoding(const BpeModel& model) : model_(model) {}

  void word(std::string_view bytes) {
    if (bytes.size() > kCachedWordBytes) return model_.encode_word(bytes, ids);
    if (const auto found = cache_.find(bytes); found != cache_.end()) {
      const auto [begin, count] = found->second;
      for (std::size_t i = 0; i < count; ++i) ids.push_back(cached_ids_[begin + i]);
      return;
    }
    const std::size_t before = ids.size();
    model_.encode_word(bytes, ids);
    if (cache_.size() >= kCachedWords) return;
    cache_.emplace(bytes, std::pair{cached_ids_.size(), ids.size() - before});
    cached_ids_.insert(cached_ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
  }

  std::vector<std::int32_t> ids;

 private:
  const BpeModel& model_;
  std::vector<std::int32_t> cached_ids_;
  StringMap<std::pair<std::size_t, std::size_t>> cache_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_directory(const std::filesystem::path& directory) {
  const auto path = directory / "tokenizer.json";
  const auto sentencepiece = directory / "tokenizer.model";
  if (!std::filesystem::exists(path) && std::filesystem::exists(sentencepiece)) {
    throw Error(ErrorKind::unsupported, {.where = sentencepiece.string(),
                                         .found = "a SentencePiece tokenizer is not supported",
                                         .expected = "tokenizer.json with byte-level BPE beside it"});
  }
  return from_json(read_file(path, kFileLimitBytes), path.string());
}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& where) {
  return Tokenizer(std::make_unique<Impl>(parse_tokenizer_file(json, where), where, sha256_hex(json)));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  if (const auto offset = invalid_utf8_offset(text)) {
    throw Error(
        ErrorKind::bad_file,
        {.where = "text", .found = fmt::format("invalid UTF-8 at byte {}", *offset), .expected = "UTF-8"});
  }
  const Impl& impl = *impl_;
  Encoding encoding(impl.model);
  if (add_special) encoding.ids = impl.file.prefix;
  const auto on_token = [&](std::int32_t id) { encoding.ids.push_back(id); };
  const auto on_word = [&](std::string_view word) { encoding.word(word); };
  const auto byte_level = [&](std::string_view piece) {
    std::string spaced;
    if (impl.file.add_prefix_space && !piece.starts_with(' ')) {
      spaced += ' ';
      spaced += piece;
      piece = spaced;
    }
    impl.byte_level_split ? impl.byte_level_split->split(piece, on_word) : on_word(piece);
  };
  // Every pattern sees the pieces of the one before it, and nothing around them.
  const std::function<void(std::size_t, std::string_view)> pre_tokenize = [&](std::size_t step,
                                                                              std::string_view piece) {
    if (step == impl.splits.size()) return byte_level(piece);
    impl.splits[step].split(piece, [&](std::string_view word) { pre_tokenize(step + 1, word); });
  };
  impl.added_in_text.split(
      text,
      [&](std::string_view stretch) {
        const std::string normalized = impl.file.nfc ? to_nfc(stretch) : std::string(stretch);
        impl.added_in_normalized.split(
            normalized, [&](std::string_view piece) { pre_tokenize(0, piece); }, on_token);
      },
      on_token);
  if (add_special) encoding.ids.insert(encoding.ids.end(), impl.file.suffix.begin(), impl.file.suffix.end());
  return std::move(encoding.ids);
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += token_bytes(id);
  return bytes;
}

std::string Tokenizer::token_bytes(std::int32_t id) const {
  if (id < 0 || id >= vocab_size() || impl_->tokens[static_cast<std::size_t>(id)].empty()) {
    throw Error(ErrorKind::bad_file, {.where = impl_->where,
                                      .found = fmt::format("token id {} is not in the vocabulary", id),
                                      .expected = fmt::format("an id in [0, {})", vocab_size())});
  }
  return impl_->tokens[static_cast<std::size_t>(id)];
}

const std::vector<std::int32_t>& Tokenizer::prefix() const {
  return impl_->file.prefix;
}

const std::vector<std::int32_t>& Tokenizer::suffix() const {
  return impl_->file.suffix;
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  for (const AddedToken& added : impl_->file.added)
    if (added.content == token) return added.id;
  const auto found = impl_->file.vocab.find(token);
  return found == impl_->file.vocab.end() ? std::nullopt : std::optional(found->second);
}

std::int32_t Tokenizer::vocab_size() const {
  return impl_->file.vocab_size;
}

const std::string& Tokenizer::sha256() const {
  return impl_->sha256;
}

}  // namespace strata
