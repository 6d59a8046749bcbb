// Byte-level BPE: normalise, find added tokens of the normalised text, cut into words, merge.
#include <algorithm>

#include "strata/base/error.h"
#include "strata/tokenizer/added_tokens.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/nfc.h"
#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/utf8.h"
#include "strata/tokenizer/words.h"

namespace strata {
namespace {

BpeModel make_model(const TokenizerFile& file) {
  ByteIds byte_ids{};
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

class ByteEngine : public TextEngine {
 public:
  ByteEngine(const TokenizerFile& file, const std::string& where)
      : nfc_(file.nfc), add_prefix_space_(file.add_prefix_space), model_(make_model(file)) {
    for (std::size_t i = 0; i < file.split_patterns.size(); ++i)
      splits_.emplace_back(file.split_patterns[i], file.split_where[i], file.unicode);
    if (file.byte_level_split) byte_level_split_.emplace(kGpt2Pattern, where, file.unicode);
    added_.add_normalized(file.added, where,
                          [&](const std::string& content) { return nfc_ ? to_nfc(content) : content; });
  }

  void encode(std::string_view stretch, bool /*at_start*/, std::vector<std::int32_t>& ids) const override {
    if (!nfc_ || !may_need_nfc(stretch)) return encode_normalised(stretch, ids);
    try {
      encode_normalised(to_nfc(stretch), ids);
    } catch (const MissingByte& missing) {  // it points into the copy
      throw MissingByte{.byte = missing.byte, .at = stretch.data(), .exact = false};
    }
  }

 private:
  using OnWord = std::function<void(std::string_view)>;

  void encode_normalised(std::string_view stretch, std::vector<std::int32_t>& ids) const {
    const WordCachePool::Loan cache(caches_);
    const auto on_word = [&](std::string_view word) { (*cache).encode(word, model_, ids); };
    const auto on_token = [&](std::int32_t id) { ids.push_back(id); };
    added_.split(
        stretch, [&](std::string_view piece) { pre_tokenize(0, piece, on_word); }, on_token);
  }

  // Every pattern sees the pieces of the one before it, and nothing around them.
  void pre_tokenize(std::size_t step, std::string_view piece, const OnWord& on_word) const {
    if (step == splits_.size()) return byte_level(piece, on_word);
    if (step + 1 == splits_.size() && !add_prefix_space_ && !byte_level_split_)
      return splits_[step].split(piece, on_word);
    splits_[step].split(piece, [&](std::string_view word) { pre_tokenize(step + 1, word, on_word); });
  }

  void byte_level(std::string_view piece, const OnWord& on_word) const {
    const auto words = [&](std::string_view text) {
      byte_level_split_ ? byte_level_split_->split(text, on_word) : on_word(text);
    };
    if (!add_prefix_space_ || piece.starts_with(' ')) return words(piece);
    const std::string spaced = ' ' + std::string(piece);
    try {
      words(spaced);
    } catch (const MissingByte& missing) {  // it points into the copy
      const std::ptrdiff_t at = std::max<std::ptrdiff_t>(missing.at - spaced.data() - 1, 0);
      throw MissingByte{.byte = missing.byte, .at = piece.data() + at};
    }
  }

  bool nfc_ = false;
  bool add_prefix_space_ = false;
  BpeModel model_;
  std::vector<SplitPattern> splits_;
  std::optional<SplitPattern> byte_level_split_;
  AddedTokenMatcher added_;
  mutable WordCachePool caches_;
};

}  // namespace

std::unique_ptr<TextEngine> make_byte_engine(const TokenizerFile& file, const std::string& where) {
  return std::make_unique<ByteEngine>(file, where);
}

}  // namespace strata
