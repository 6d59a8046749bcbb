// GGUF's model "llama": pieces and scores to merges.
#include <fmt/format.h>

#include <cmath>

#include "strata/tokenizer/piece_merges.h"
#include "strata/tokenizer/read_gguf.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";

void check_bytes(const GgufMetadata& metadata, const GgufTokens& tokens, const TokenizerFile& file) {
  for (std::size_t id = 0; id < tokens.texts.size(); ++id)
    if (tokens.types[id] == GgufTokenType::byte && !fallback_byte(tokens.texts[id]))
      metadata.fail(kTokens, fmt::format("token {} of type byte is {}", id, in_quotes(tokens.texts[id])),
                    "<0x00> to <0xFF>");
  if (const auto byte = missing_byte(byte_fallback_ids(file.vocab)))
    metadata.refuse(kTokens, fmt::format("no token for the byte <0x{:02X}>", *byte),
                    "all bytes (byte fallback)");
}

std::vector<ScoredPiece> read_pieces(const GgufMetadata& metadata, const GgufTokens& tokens) {
  const std::vector<float> scores = metadata.floats(kScores);
  if (scores.size() != tokens.texts.size())
    metadata.fail(kScores, fmt::format("{} scores", scores.size()),
                  fmt::format("one for each of {} tokens", tokens.texts.size()));
  std::vector<ScoredPiece> pieces(tokens.texts.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const bool normal = tokens.types[id] == GgufTokenType::normal;
    if (!normal && tokens.types[id] != GgufTokenType::unused) continue;
    const std::string_view text = tokens.texts[id];
    if (!std::isfinite(scores[id]))
      metadata.fail(kScores, fmt::format("score {} of token {} ({})", scores[id], id, in_quotes(text)),
                    "finite numbers");
    if (text.size() > kLongestPieceBytes)
      metadata.refuse(kTokens, fmt::format("token {} is a piece of {} bytes", id, text.size()),
                      fmt::format("at most {}", kLongestPieceBytes));
    pieces[id] = {.text = text,
                  .score = scores[id],
                  .role = normal ? ScoredPiece::Role::joined : ScoredPiece::Role::made};
  }
  return pieces;
}

}  // namespace

void read_gguf_character_bpe(const GgufMetadata& metadata, const GgufTokens& tokens, TokenizerFile& file) {
  // Older and newer converters write "default" or nothing; llama.cpp reads the key for BPE alone.
  constexpr const char* kSqueeze = "tokenizer.ggml.remove_extra_whitespaces";
  if (metadata.find_flag(kSqueeze).value_or(false))
    metadata.refuse(kSqueeze, "true: whether this model's texts were squeezed is not certain",
                    "false or nothing");
  const std::vector<ScoredPiece> pieces = read_pieces(metadata, tokens);
  check_bytes(metadata, tokens, file);
  if (!merge_by_score(pieces, file))
    metadata.refuse(kTokens, fmt::format("more than {} merges", kMostMerges), "fewer");
  for (const BpeMerge& merge : file.merges) {
    const auto id = static_cast<std::size_t>(merge.merged);
    // llama.cpp joins unused pieces and takes them apart again; no published model has such.
    if (pieces[id].role == ScoredPiece::Role::made)
      metadata.refuse(kTokens,
                      fmt::format("unused token {} ({}) that merges make", id, in_quotes(pieces[id].text)),
                      "unused tokens that are in no text");
  }
  const bool prefix = metadata.find_flag("tokenizer.ggml.add_space_prefix").value_or(true);
  file.space_prefix = prefix ? SpacePrefix::every_stretch : SpacePrefix::none;
}

}  // namespace strata
