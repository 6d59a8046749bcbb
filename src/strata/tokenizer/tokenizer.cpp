#include "strata/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <fstream>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/gguf/gguf.h"
#include "strata/tokenizer/added_tokens.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/read_directory.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "strata/tokenizer/tokenizer_file.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr std::size_t kTokenizerLimitBytes = std::size_t{1} << 28;  // the largest published one has 2^25
constexpr std::string_view kGgufKeys = "tokenizer.ggml.";

std::string le(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
  return text;
}

[[noreturn]] void refuse_byte(const MissingByte& missing, std::string_view text, const std::string& where,
                              const std::string& tokenizer) {
  const auto offset = static_cast<std::size_t>(missing.at - text.data());
  std::string place = fmt::format("after byte {}", offset);
  if (missing.exact) {
    std::size_t begin = offset;  // of the character
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
    const auto character = static_cast<std::uint32_t>(next_code_point(text, begin));
    place = fmt::format("at byte {} (of U+{:04X})", offset, character);
  }
  throw Error(
      ErrorKind::unsupported,
      {.where = where,
       .found = fmt::format("byte {:#04x} {}, for which the vocabulary has no token", missing.byte, place),
       .expected = "a text that the tokenizer of " + tokenizer + " can spell",
       .hint = "take the character out of the text"});
}

// Of each key tokenizer.ggml.*, in the order of their bytes: the key and a zero byte; type and element type
// (u32) and element count (u64), little-endian; the value's bytes as the file has them.
std::string gguf_digest(const GgufMetadata& metadata) {
  Sha256 digest;
  const auto& values = metadata.values();
  for (auto at = values.lower_bound(kGgufKeys); at != values.end() && at->first.starts_with(kGgufKeys);
       ++at) {
    const GgufValue& value = at->second;
    digest.update(at->first + '\0' + le(static_cast<std::uint32_t>(value.type), 4) +
                  le(static_cast<std::uint32_t>(value.element), 4) + le(value.count, 8));
    digest.update(value.bytes);
  }
  return digest.hex();
}

bool begins_with_gguf_magic(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> magic{};
  return file.read(magic.data(), magic.size()) && std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace

std::unique_ptr<TextEngine> make_engine(const TokenizerFile& file, const std::string& where) {
  if (file.sentencepiece) return make_sentencepiece_engine(file);
  return file.alphabet == TokenAlphabet::bytes ? make_byte_engine(file, where)
                                               : make_character_engine(file, where);
}

struct Tokenizer::Impl {
  Impl(TokenizerFile file, const std::string& source, std::string digest)
      : where(source),
        sha256(std::move(digest)),
        prefix(std::move(file.prefix)),
        suffix(std::move(file.suffix)),
        special_source(std::move(file.special_source)),
        engine(make_engine(file, source)) {
    tokens.resize(static_cast<std::size_t>(file.vocab_size));
    for (const auto& [token, id] : file.vocab)
      tokens[static_cast<std::size_t>(id)] = spelled_bytes(token, file.alphabet);
    ids = std::move(file.vocab);
    for (const AddedToken& token : file.added) {
      tokens[static_cast<std::size_t>(token.id)] = token.content;
      ids.insert_or_assign(token.content, token.id);
      if (!token.normalized) added.add(token.content, token.id);
    }
  }

  std::string where;
  std::string sha256;
  std::vector<std::int32_t> prefix, suffix;
  std::string special_source;
  StringMap<std::int32_t> ids;      // by the token's text in the file
  std::vector<std::string> tokens;  // bytes by id; empty = no such id
  AddedTokenMatcher added;
  std::unique_ptr<TextEngine> engine;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::for_model(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (std::filesystem::is_directory(path, unreadable)) return from_directory(path);
  const MappedFile file(path);
  return from_gguf(parse_gguf(file.bytes(), path.string()).metadata);
}

Tokenizer Tokenizer::from_directory(const std::filesystem::path& directory) {
  FoundTokenizer found = read_tokenizer_directory(directory);
  return Tokenizer(std::make_unique<Impl>(std::move(found.file), found.where, std::move(found.sha256)));
}

Tokenizer Tokenizer::from_path(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (std::filesystem::is_directory(path, unreadable)) return from_directory(path);
  if (begins_with_gguf_magic(path)) return for_model(path);
  FoundTokenizer found = read_tokenizer_path(path);
  return Tokenizer(std::make_unique<Impl>(std::move(found.file), found.where, std::move(found.sha256)));
}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& where) {
  return Tokenizer(std::make_unique<Impl>(parse_tokenizer_file(json, where), where, sha256_hex(json)));
}

Tokenizer Tokenizer::from_sentencepiece(const std::filesystem::path& path) {
  const std::string bytes = read_file(path, kTokenizerLimitBytes);
  return Tokenizer(
      std::make_unique<Impl>(read_sentencepiece(bytes, {}, path.string()), path.string(), sha256_hex(bytes)));
}

Tokenizer Tokenizer::from_gguf(const GgufMetadata& metadata) {
  return Tokenizer(
      std::make_unique<Impl>(read_gguf_tokenizer(metadata), metadata.where(), gguf_digest(metadata)));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special,
                                            const std::string& where) const {
  if (const auto offset = invalid_utf8_offset(text)) {
    throw Error(
        ErrorKind::bad_file,
        {.where = where, .found = fmt::format("invalid UTF-8 at byte {}", *offset), .expected = "UTF-8"});
  }
  const Impl& impl = *impl_;
  std::vector<std::int32_t> ids;
  if (add_special) ids = impl.prefix;
  const auto on_text = [&](std::string_view stretch) {
    impl.engine->encode(stretch, stretch.data() == text.data(), ids);
  };
  try {
    impl.added.split(text, on_text, [&](std::int32_t id) { ids.push_back(id); });
  } catch (const MissingByte& missing) {
    refuse_byte(missing, text, where, impl.where);
  }
  if (add_special) ids.insert(ids.end(), impl.suffix.begin(), impl.suffix.end());
  return ids;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += token_bytes(id);
  return bytes;
}

bool Tokenizer::has_token(std::int32_t id) const {
  return id >= 0 && id < vocab_size() && !impl_->tokens[static_cast<std::size_t>(id)].empty();
}

std::string Tokenizer::token_bytes(std::int32_t id) const {
  if (!has_token(id)) {
    throw Error(ErrorKind::bad_file, {.where = impl_->where,
                                      .found = fmt::format("token id {} is not in the vocabulary", id),
                                      .expected = fmt::format("an id in [0, {})", vocab_size())});
  }
  return impl_->tokens[static_cast<std::size_t>(id)];
}

const std::vector<std::int32_t>& Tokenizer::prefix() const {
  return impl_->prefix;
}

const std::vector<std::int32_t>& Tokenizer::suffix() const {
  return impl_->suffix;
}

const std::string& Tokenizer::special_source() const {
  return impl_->special_source;
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  const auto found = impl_->ids.find(token);
  return found == impl_->ids.end() ? std::nullopt : std::optional(found->second);
}

const std::string& Tokenizer::where() const {
  return impl_->where;
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(impl_->tokens.size());
}

const std::string& Tokenizer::sha256() const {
  return impl_->sha256;
}

}  // namespace strata
