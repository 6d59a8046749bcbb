#include "strata/tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr float kUnknownPenalty = 10.0f;

struct PathEnd {
  std::int32_t id = -1;
  float score = 0;
  std::int64_t begin = -1;  // where its last piece begins; -1 = no path ends here yet
};

}  // namespace

UnigramModel::UnigramModel(const TokenizerFile& file)
    : scores_(file.sentencepiece->scores),
      byte_fallback_(file.sentencepiece->byte_fallback),
      byte_ids_(byte_fallback_ids(file.vocab)),
      unknown_(file.sentencepiece->unknown) {
  const std::vector<PieceType>& types = file.sentencepiece->types;
  std::vector<PieceTrie::Piece> pieces;
  user_defined_.resize(types.size());
  // The library's first guess of the greatest score is FLT_MIN, which is above every log probability.
  least_ = std::numeric_limits<float>::max();
  greatest_ = std::numeric_limits<float>::min();
  for (const auto& [text, id] : file.vocab) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= types.size()) continue;  // added by tokenizer_config.json
    user_defined_[at] = types[at] == PieceType::user_defined;
    if (types[at] == PieceType::normal) {
      least_ = std::min(least_, scores_[at]);
      greatest_ = std::max(greatest_, scores_[at]);
    }
    if (types[at] == PieceType::normal || user_defined_[at]) pieces.push_back({.text = text, .id = id});
  }
  trie_ = PieceTrie(std::move(pieces));
}

void UnigramModel::encode_word(std::string_view text, std::vector<std::int32_t>& out) const {
  std::vector<PathEnd> best(text.size() + 1);
  // The library compares in double precision where a piece is the candidate, in single precision where the
  // unknown piece is, and keeps single precision.
  const auto offer = [&](std::size_t begin, std::size_t end, auto candidate, std::int32_t id) {
    PathEnd& target = best[end];
    if (target.begin >= 0 && !(candidate > target.score)) return;
    target = {.id = id, .score = static_cast<float>(candidate), .begin = static_cast<std::int64_t>(begin)};
  };
  const float unknown_score = least_ - kUnknownPenalty;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t next = begin;
    (void)next_code_point(text, next);
    const float so_far = best[begin].score;
    bool is_piece = false;  // the character by itself
    trie_.prefixes(text.substr(begin), [&](std::size_t length, std::int32_t id) {
      const auto at = static_cast<std::size_t>(id);
      const double score = user_defined_[at] ? static_cast<float>(length) * greatest_ - 0.1 : scores_[at];
      offer(begin, begin + length, score + so_far, id);
      is_piece = is_piece || begin + length == next;
    });
    if (!is_piece) offer(begin, next, unknown_score + so_far, unknown_);
    begin = next;
  }
  std::vector<std::size_t> ends;
  for (std::size_t end = text.size(); end > 0; end = static_cast<std::size_t>(best[end].begin))
    ends.push_back(end);
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const PathEnd& last = best[*end];
    if (last.id != unknown_ || !byte_fallback_) {
      out.push_back(last.id);
      continue;
    }
    for (auto at = static_cast<std::size_t>(last.begin); at < *end; ++at)
      out.push_back(byte_ids_[static_cast<unsigned char>(text[at])]);
  }
}

}  // namespace strata
