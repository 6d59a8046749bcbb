// Tokenizers from GGUF metadata. Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what an
// absent key means is taken from llama.cpp (llama_vocab::impl::load in src/llama-vocab.cpp).
#include "strata/tokenizer/read_gguf.h"

#include <fmt/format.h>

#include <limits>
#include <unordered_set>

#include "strata/tokenizer/gguf_pre_tokenizers.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Special ids are written as u32; files mean "none" by this (-1 in a signed one).
constexpr std::int64_t kNone32 = 0xffffffff;

const GgufPreTokenizer& pre_tokenizer(const GgufMetadata& metadata) {
  constexpr const char* kKey = "tokenizer.ggml.pre";
  // llama.cpp takes "default" for an absent key and warns that the ids will be worse than the model's.
  if (!metadata.has(kKey))
    metadata.refuse(kKey, "missing: the file does not say how words are cut", gguf_pre_tokenizer_names());
  const std::string_view name = metadata.string(kKey);
  if (const auto* known = find_gguf_pre_tokenizer(name)) return *known;
  metadata.refuse(kKey, fmt::format("pre-tokenizer {} is not supported", in_quotes(name)),
                  gguf_pre_tokenizer_names());
}

GgufTokens read_tokens(const GgufMetadata& metadata, TokenizerFile& file) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  GgufTokens tokens{.texts = metadata.strings(kTokens)};
  if (tokens.texts.empty() || tokens.texts.size() > std::numeric_limits<std::int32_t>::max() / 4)
    metadata.fail(kTokens, fmt::format("{} tokens", tokens.texts.size()), "at least one, fewer than 2^29");
  // Absent: every token is an ordinary one (llama.cpp).
  const auto types =
      metadata.has(kTypes) ? metadata.integers(kTypes) : std::vector<std::int64_t>(tokens.texts.size(), 1);
  if (types.size() != tokens.texts.size())
    metadata.fail(kTypes, fmt::format("{} types", types.size()),
                  fmt::format("one for each of {} tokens", tokens.texts.size()));
  file.vocab_size = static_cast<std::int32_t>(tokens.texts.size());
  file.vocab.reserve(tokens.texts.size());
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string_view text = tokens.texts[id];
    if (const auto bad = invalid_utf8_offset(text))
      metadata.fail(kTokens, fmt::format("invalid UTF-8 in token {} at its byte {}", id, *bad), "UTF-8");
    if (types[id] < 1 || types[id] > 6)
      metadata.fail(kTypes, fmt::format("type {} of token {} ({})", types[id], id, in_quotes(text)),
                    "1 (normal) to 6 (byte)");
    tokens.types.push_back(static_cast<GgufTokenType>(types[id]));
    if (text.empty()) continue;  // an id without a token
    if (!file.vocab.emplace(text, static_cast<std::int32_t>(id)).second)
      metadata.fail(kTokens, fmt::format("token {} ({}) twice", id, in_quotes(text)), "distinct tokens");
  }
  return tokens;
}

// What llama.cpp looks for in a text when it parses special tokens.
void read_added(const GgufTokens& tokens, TokenizerFile& file) {
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    const GgufTokenType type = tokens.types[id];
    const bool added = type == GgufTokenType::unknown || type == GgufTokenType::control ||
                       type == GgufTokenType::user_defined;
    if (added && !tokens.texts[id].empty())
      file.added.push_back({.id = static_cast<std::int32_t>(id), .content = std::string(tokens.texts[id])});
  }
}

struct SpecialToken {
  const char* id_key;
  const char* flag_key;
  bool wanted_by_default;
  std::optional<std::int32_t> default_id;
};

void read_special(const GgufMetadata& metadata, const SpecialToken& special, const TokenizerFile& file,
                  std::vector<std::int32_t>& out) {
  const auto flag = metadata.find_flag(special.flag_key);
  auto id = metadata.find_integer(special.id_key, -1, kNone32);
  const bool none = id == -1 || id == kNone32;
  if (!none && id.value_or(0) >= file.vocab_size)
    metadata.fail(special.id_key, fmt::format("{}", *id),
                  fmt::format("an id below {}, or 4294967295 for none", file.vocab_size));
  if (!id && special.default_id && *special.default_id < file.vocab_size) id = *special.default_id;
  if (!flag.value_or(special.wanted_by_default)) return;
  if (id && !none) {
    out.push_back(static_cast<std::int32_t>(*id));
  } else if (flag || !none) {  // that nothing names the token is a gap; "none" overrules a mere default
    metadata.fail(special.id_key, none ? "none" : "missing",
                  fmt::format("an id, as every text begins or ends with it ({})", special.flag_key));
  }
}

}  // namespace

void read_gguf_byte_bpe(const GgufMetadata& metadata, TokenizerFile& file) {
  const GgufPreTokenizer& pre = pre_tokenizer(metadata);
  file.ignore_merges = pre.ignore_merges;
  for (const std::string_view pattern : pre.patterns) {
    if (pattern.empty()) continue;
    file.split_patterns.emplace_back(pattern);
    file.split_where.push_back(metadata.where() + ": tokenizer.ggml.pre");
  }
  constexpr const char* kKey = "tokenizer.ggml.merges";
  const auto merges = metadata.strings(kKey);
  std::unordered_set<std::uint64_t> pairs;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::string_view text = merges[i];
    const auto bad = [&](const std::string& found, const char* expected) {
      metadata.fail(kKey, fmt::format("{} in merge {} ({})", found, i, in_quotes(text)), expected);
    };
    const auto known = [&](const std::string& token) {
      const auto found = file.vocab.find(token);
      if (found == file.vocab.end()) bad("unknown token " + in_quotes(token), "tokens of the vocabulary");
      return found->second;
    };
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
      bad("no two tokens", "two tokens with one space between them");
    const std::string left(text.substr(0, space)), right(text.substr(space + 1));
    const BpeMerge merge{known(left), known(right), known(left + right)};
    const auto pair =
        (static_cast<std::uint64_t>(merge.left) << 32) | static_cast<std::uint64_t>(merge.right);
    if (!pairs.insert(pair).second) bad("a pair that was there before", "distinct merges");
    file.merges.push_back(merge);
  }
}

TokenizerFile read_gguf_tokenizer(const GgufMetadata& metadata) {
  constexpr const char* kModel = "tokenizer.ggml.model";
  const std::string_view model = metadata.string(kModel);
  if (model == "no_vocab" || model == "none")
    metadata.refuse(kModel, "a model without a tokenizer", "\"gpt2\" or \"llama\"");
  const bool characters = model == "llama";
  if (!characters && model != "gpt2")
    metadata.refuse(kModel, fmt::format("tokenizer {} is not supported", in_quotes(model)),
                    "\"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece)");
  TokenizerFile file;
  file.unicode = UnicodeTables::llama_cpp;
  file.alphabet = characters ? TokenAlphabet::characters : TokenAlphabet::bytes;
  const GgufTokens tokens = read_tokens(metadata, file);
  read_added(tokens, file);
  characters ? read_gguf_character_bpe(metadata, tokens, file) : read_gguf_byte_bpe(metadata, file);
  // llama.cpp: BOS by default for "llama" and Llama 3's pre-tokenizer, never EOS; ids 1 and 2 for "llama".
  const auto default_id = [&](std::int32_t id) { return characters ? std::optional(id) : std::nullopt; };
  const bool bos = characters || pre_tokenizer(metadata).add_bos;
  read_special(metadata, {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token", bos, default_id(1)},
               file, file.prefix);
  read_special(metadata,
               {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_eos_token", false, default_id(2)}, file,
               file.suffix);
  return file;
}

}  // namespace strata
