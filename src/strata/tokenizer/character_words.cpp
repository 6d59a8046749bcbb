#include "strata/tokenizer/character_words.h"

#include <algorithm>

namespace strata {
namespace {

// True when no merge joins something with a space mark behind it: then a text may be cut before each run
// of marks without changing an id, and the pieces are words that come again.
bool spaces_only_lead(const TokenizerFile& file) {
  std::vector<bool> made(static_cast<std::size_t>(file.vocab_size), false);
  for (const BpeMerge& merge : file.merges) made[static_cast<std::size_t>(merge.merged)] = true;
  return std::none_of(file.vocab.begin(), file.vocab.end(), [&](const auto& entry) {
    if (!made[static_cast<std::size_t>(entry.second)]) return false;
    const std::string_view token = entry.first;
    std::size_t leading = 0;
    while (token.substr(leading).starts_with(kSpaceMark)) leading += kSpaceMark.size();
    return token.find(kSpaceMark, leading) != std::string_view::npos;
  });
}

CharacterFallback fallback_of(const TokenizerFile& file) {
  if (file.sentencepiece && !file.sentencepiece->byte_fallback)
    return {.unknown = file.sentencepiece->unknown};
  return {.bytes = byte_fallback_ids(file.vocab)};
}

}  // namespace

CharacterWords::CharacterWords(const TokenizerFile& file)
    : cut_(spaces_only_lead(file)),
      model_(fallback_of(file), file.symbols, file.vocab_size, MergeTable(file.merges, file.merge_ranks)) {}

void CharacterWords::encode(std::string_view text, WordCache& cache, std::vector<std::int32_t>& ids) const {
  if (!cut_) return model_.encode_word(text, ids);
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t at = begin;
    while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
    const std::size_t end = std::min(text.find(kSpaceMark, at), text.size());
    cache.encode(text.substr(begin, end - begin), model_, ids);
    begin = end;
  }
}

}  // namespace strata
