// What a tokenizer's file says, checked and reduced to what strata runs: one structure for tokenizer.json,
// tokenizer.model and GGUF; byte-level BPE, SentencePiece-style BPE and unigram.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/bpe.h"
#include "strata/tokenizer/stand_ins.h"

namespace strata {

class GgufMetadata;

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool normalized = false;  ///< looked for in the normalised text rather than in the original
};

/// How words are spelled in the vocabulary.
enum class TokenAlphabet {
  bytes,       ///< GPT-2's printable character for each byte
  characters,  ///< UTF-8 with U+2581 for a space, and <0x00> to <0xFF> for the bytes of unknown characters
};

/// Where SentencePiece-style tokenizers put a space that the text has not.
enum class SpacePrefix {
  none,
  every_stretch,    ///< before every stretch between added tokens (normalizer Prepend; llama.cpp)
  every_spaceless,  ///< before those that do not begin with a space (Metaspace "always")
  first_spaceless,  ///< before the text, unless it begins with a space (Metaspace "first")
};

/// ModelProto.SentencePiece.Type, as sentencepiece_model.proto numbers them.
enum class PieceType : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6,
};

/// What a tokenizer.model says beyond the vocabulary and the merges.
struct SentencePieceRules {
  bool dummy_prefix = true;    ///< add_dummy_prefix: a space before each stretch between added tokens ...
  bool first_only = false;     ///< ... or ("legacy": false) before the text alone, whatever dummy_prefix says
  bool squeeze_spaces = true;  ///< remove_extra_whitespaces
  bool mark_spaces = true;     ///< escape_whitespaces: spaces become U+2581
  bool spaces_trail = false;   ///< treat_whitespace_as_suffix: that space goes after the stretch
  bool byte_fallback = false;  ///< unknown characters become their bytes, else each run of them `unknown`
  bool unigram = false;        ///< a unigram model, which has no merges
  std::int32_t unknown = 0;    ///< id of the unknown piece
  std::vector<PieceType> types;  ///< by id; tokens added by tokenizer_config.json have none
  std::vector<float> scores;     ///< by id, as many
};

/// One file, validated: ids distinct and below `vocab_size`, merges between known tokens; in the alphabet of
/// characters every byte that occurs in UTF-8 spelled by a token, unless `sentencepiece` says that none falls
/// back to bytes.
struct TokenizerFile {
  TokenAlphabet alphabet = TokenAlphabet::bytes;
  StringMap<std::int32_t> vocab;          ///< token as the file spells it -> id
  std::vector<BpeMerge> merges;           ///< by rank
  std::vector<std::int32_t> merge_ranks;  ///< of each merge, where ranks may be equal; empty = its position
  std::vector<AddedToken> added;
  std::int32_t vocab_size = 0;       ///< one past the largest id
  std::vector<std::int32_t> prefix;  ///< ids before every text (BOS)
  std::vector<std::int32_t> suffix;  ///< and after it (EOS)
  std::string special_source;        ///< where several files disagree on these two, which one counted

  // Of the byte alphabet.
  bool ignore_merges = false;  ///< a word that is a token is that token
  bool nfc = false;
  UnicodeTables unicode = UnicodeTables::tokenizers;  ///< that the patterns follow
  std::vector<std::string> split_patterns;  ///< applied one after the other, as the file spells them
  std::vector<std::string> split_where;     ///< file and key of each
  bool add_prefix_space = false;            ///< ByteLevel puts a space before a piece that has none ...
  bool byte_level_split = false;            ///< ... and then cuts it with GPT-2's pattern

  // Of the character alphabet.
  SpacePrefix space_prefix = SpacePrefix::none;
  StringMap<std::int32_t> symbols;  ///< character -> token id, or vocab_size and above: no token, but merges
  std::optional<SentencePieceRules>
      sentencepiece;  ///< of a tokenizer.model; `space_prefix` has no meaning then
};

/// Throws Error(bad_file) naming file and key, Error(unsupported) naming the component. "truncation" and
/// "padding" are about batches, not about the ids of a text, and are ignored, as transformers does.
[[nodiscard]] TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& where);

/// The keys tokenizer.ggml.* of a GGUF file: models "gpt2" and "llama". Errors as above.
[[nodiscard]] TokenizerFile read_gguf_tokenizer(const GgufMetadata& metadata);

/// Ids of <0x00> to <0xFF> in a vocabulary of characters; -1 where there is none.
[[nodiscard]] ByteIds byte_fallback_ids(const StringMap<std::int32_t>& vocab);

/// A byte that occurs in UTF-8 and has no id; nothing when all have (C0, C1 and F5 to FF never occur).
[[nodiscard]] std::optional<unsigned char> missing_byte(const ByteIds& ids);

/// The byte that a token <0xNN> of the character alphabet stands for.
[[nodiscard]] std::optional<unsigned char> fallback_byte(std::string_view token);

/// U+2581, which SentencePiece writes for a space.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

/// The bytes that a token stands for, in either alphabet: the text of a model's own token.
[[nodiscard]] std::string spelled_bytes(std::string_view token, TokenAlphabet alphabet);

}  // namespace strata
