// SentencePiece-style BPE: spaces become U+2581, characters merge, unknown ones fall back to their bytes.
#include "strata/tokenizer/added_tokens.h"
#include "strata/tokenizer/character_words.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

void append_marked(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
}

class CharacterEngine : public TextEngine {
 public:
  CharacterEngine(const TokenizerFile& file, const std::string& where)
      : space_prefix_(file.space_prefix), words_(file) {
    added_.add_normalized(file.added, where, [&](const std::string& content) {
      return normalizer() ? normalized(content) : content;
    });
  }

  void encode(std::string_view stretch, bool at_start, std::vector<std::int32_t>& ids) const override {
    const WordCachePool::Loan cache(caches_);
    const auto on_token = [&](std::int32_t id) {
      ids.push_back(id);
      at_start = false;
    };
    const auto on_text = [&](std::string_view piece) {
      words_.encode(piece, *cache, ids);
      at_start = false;
    };
    if (normalizer()) return added_.split(normalized(stretch), on_text, on_token);
    added_.split(
        stretch, [&](std::string_view piece) { on_text(with_metaspace(piece, at_start)); }, on_token);
  }

 private:
  // Spaces are marked before added tokens of the normalised text are looked for; Metaspace comes after.
  [[nodiscard]] bool normalizer() const {
    return space_prefix_ == SpacePrefix::none || space_prefix_ == SpacePrefix::every_stretch;
  }

  [[nodiscard]] std::string normalized(std::string_view text) const {
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    if (space_prefix_ == SpacePrefix::every_stretch) out += kSpaceMark;
    append_marked(out, text);
    return out;
  }

  [[nodiscard]] std::string with_metaspace(std::string_view text, bool at_start) const {
    std::string out;
    const bool wanted = space_prefix_ == SpacePrefix::every_spaceless || at_start;
    if (wanted && !text.starts_with(' ') && !text.starts_with(kSpaceMark)) out += kSpaceMark;
    append_marked(out, text);
    return out;
  }

  SpacePrefix space_prefix_;
  CharacterWords words_;
  AddedTokenMatcher added_;
  mutable WordCachePool caches_;
};

}  // namespace

std::unique_ptr<TextEngine> make_character_engine(const TokenizerFile& file, const std::string& where) {
  return std::make_unique<CharacterEngine>(file, where);
}

}  // namespace strata
