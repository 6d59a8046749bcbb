// What libsentencepiece does with a text: normalise (normalizer.cc), find user-defined pieces, merge
// (bpe_model.cc) or search (unigram_model.cc), join unknown pieces (sentencepiece_processor.cc of
// google/sentencepiece).
#include <algorithm>
#include <optional>

#include "strata/tokenizer/added_tokens.h"
#include "strata/tokenizer/character_words.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/piece_trie.h"
#include "strata/tokenizer/unigram.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

std::vector<PieceTrie::Piece> pieces_of_type(const TokenizerFile& file, PieceType type) {
  std::vector<PieceTrie::Piece> pieces;
  const std::vector<PieceType>& types = file.sentencepiece->types;
  for (const auto& [text, id] : file.vocab)
    if (static_cast<std::size_t>(id) < types.size() && types[static_cast<std::size_t>(id)] == type)
      pieces.push_back({.text = text, .id = id});
  return pieces;
}

class SentencePieceNormalizer {
 public:
  explicit SentencePieceNormalizer(const TokenizerFile& file)
      : rules_(*file.sentencepiece),
        space_(rules_.mark_spaces ? kSpaceMark : " "),
        user_defined_(pieces_of_type(file, PieceType::user_defined)) {}

  [[nodiscard]] std::string normalized(std::string_view text, bool at_start) const {
    const bool squeeze = rules_.squeeze_spaces;
    if (squeeze)
      while (!text.empty() && head(text) == " ") text.remove_prefix(1);
    std::string out;
    if (text.empty()) return out;
    out.reserve(text.size() + text.size() / 2);
    const bool dummy = rules_.first_only ? at_start : rules_.dummy_prefix;
    if (dummy && !rules_.spaces_trail) out += space_;
    for (bool after_space = squeeze; !text.empty();) {
      std::string_view part = head(text);
      text.remove_prefix(part.size());
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      if (part.empty()) continue;
      append(out, part);
      after_space = squeeze && part.ends_with(' ');
    }
    if (squeeze)
      while (out.ends_with(space_)) out.resize(out.size() - space_.size());
    if (dummy && rules_.spaces_trail) out += space_;
    return out;
  }

 private:
  // The next character, or a user-defined piece, in which spaces are not squeezed.
  [[nodiscard]] std::string_view head(std::string_view text) const {
    if (const std::size_t length = user_defined_.longest(text)) return text.substr(0, length);
    std::size_t length = 0;
    (void)next_code_point(text, length);
    return text.substr(0, length);
  }

  void append(std::string& out, std::string_view part) const {
    if (!rules_.mark_spaces) {
      out += part;
      return;
    }
    for (const char c : part) {
      if (c == ' ') {
        out += space_;
      } else {
        out += c;
      }
    }
  }

  SentencePieceRules rules_;
  std::string_view space_;
  PieceTrie user_defined_;
};

class SentencePieceEngine : public TextEngine {
 public:
  explicit SentencePieceEngine(const TokenizerFile& file)
      : normalizer_(file),
        unknown_(file.sentencepiece->unknown),
        byte_fallback_(file.sentencepiece->byte_fallback) {
    if (file.sentencepiece->unigram) {
      unigram_.emplace(file);
      return;
    }
    words_.emplace(file);
    for (const auto& [text, id] : pieces_of_type(file, PieceType::user_defined)) user_defined_.add(text, id);
    for (const auto& piece : pieces_of_type(file, PieceType::unused)) unused_.push_back(piece.id);
    std::sort(unused_.begin(), unused_.end());
  }

  void encode(std::string_view stretch, bool at_start, std::vector<std::int32_t>& ids) const override {
    const std::string text = normalizer_.normalized(stretch, at_start);
    const auto count_before = static_cast<std::ptrdiff_t>(ids.size());
    if (unigram_) {
      unigram_->encode_word(text, ids);
    } else if (unused_.empty()) {
      merge(text, ids);
    } else {
      merge_and_take_apart(text, ids);
    }
    if (byte_fallback_) return;
    const auto both_unknown = [&](std::int32_t a, std::int32_t b) { return a == unknown_ && b == unknown_; };
    ids.erase(std::unique(ids.begin() + count_before, ids.end(), both_unknown), ids.end());
  }

 private:
  void merge(std::string_view text, std::vector<std::int32_t>& ids) const {
    const WordCachePool::Loan cache(caches_);
    user_defined_.split(
        text, [&](std::string_view part) { words_->encode(part, *cache, ids); },
        [&](std::int32_t id) { ids.push_back(id); });
  }

  // An unused piece becomes the two that were last seen side by side anywhere in the text and would make it,
  // even if others made this one: the library has one such pair for each piece and text.
  void merge_and_take_apart(std::string_view text, std::vector<std::int32_t>& ids) const {
    const CharacterBpeModel& model = words_->model();
    std::vector<std::int32_t> symbols;
    user_defined_.split(
        text, [&](std::string_view part) { model.append_symbols(part, symbols); },
        [&](std::int32_t id) { symbols.push_back(id); });
    MergeTable::Origins origins;
    model.merges().merge(symbols, origins);
    std::vector<std::int32_t> rest(symbols.rbegin(), symbols.rend());  // the next one last
    while (!rest.empty()) {
      const std::int32_t symbol = rest.back();
      rest.pop_back();
      const auto origin = origins.find(symbol);
      if (origin != origins.end() && std::binary_search(unused_.begin(), unused_.end(), symbol)) {
        rest.push_back(origin->second.second);
        rest.push_back(origin->second.first);
      } else {
        model.append_ids(symbol, ids);
      }
    }
  }

  SentencePieceNormalizer normalizer_;
  std::int32_t unknown_;
  bool byte_fallback_;
  std::optional<UnigramModel> unigram_;
  std::optional<CharacterWords> words_;  // of BPE, as all that follows
  AddedTokenMatcher user_defined_;
  std::vector<std::int32_t> unused_;
  mutable WordCachePool caches_;
};

}  // namespace

std::unique_ptr<TextEngine> make_sentencepiece_engine(const TokenizerFile& file) {
  return std::make_unique<SentencePieceEngine>(file);
}

}  // namespace strata
