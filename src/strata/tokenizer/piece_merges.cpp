#include "strata/tokenizer/piece_merges.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

class MergeMaker {
 public:
  MergeMaker(const std::vector<ScoredPiece>& pieces, TokenizerFile& file) : pieces_(pieces), file_(file) {}

  [[nodiscard]] bool run() {
    read_symbols();
    for (std::size_t id = 0; id < pieces_.size(); ++id) {
      if (pieces_[id].role != ScoredPiece::Role::none) cut_piece(id);
      if (file_.merges.size() > kMostMerges) return false;
    }
    rank();
    return true;
  }

 private:
  // A character that merges but is no piece of its own gets a symbol above the ids.
  void read_symbols() {
    std::int32_t next = file_.vocab_size;
    for (const ScoredPiece& piece : pieces_) {
      if (piece.role != ScoredPiece::Role::joined) continue;
      for (std::size_t at = 0; at < piece.text.size();) {
        const std::size_t begin = at;
        (void)next_code_point(piece.text, at);
        const std::string_view character = piece.text.substr(begin, at - begin);
        if (file_.symbols.contains(character)) continue;
        const auto own = joined_id(character);
        file_.symbols.emplace(character, own ? *own : next++);
      }
    }
  }

  [[nodiscard]] std::optional<std::int32_t> joined_id(std::string_view text) const {
    const auto found = file_.vocab.find(text);
    if (found == file_.vocab.end()) return std::nullopt;
    const ScoredPiece& piece = pieces_[static_cast<std::size_t>(found->second)];
    return piece.role == ScoredPiece::Role::joined ? std::optional(found->second) : std::nullopt;
  }

  // What stands for `text` while merging: a piece, or a character without one.
  [[nodiscard]] std::optional<std::int32_t> symbol(std::string_view text) const {
    if (const auto id = joined_id(text)) return id;
    const auto found = file_.symbols.find(text);
    return found == file_.symbols.end() ? std::nullopt : std::optional(found->second);
  }

  void cut_piece(std::size_t id) {
    const std::string_view text = pieces_[id].text;
    for (std::size_t at = 0; at < text.size();) {
      (void)next_code_point(text, at);
      if (at == text.size()) break;
      const auto left = symbol(text.substr(0, at)), right = symbol(text.substr(at));
      if (left && right) file_.merges.push_back({*left, *right, static_cast<std::int32_t>(id)});
    }
  }

  // The highest score has the lowest rank; equal scores share one, so that the leftmost goes first.
  void rank() {
    std::vector<float> distinct;
    const auto score_of = [&](const BpeMerge& merge) {
      return pieces_[static_cast<std::size_t>(merge.merged)].score;
    };
    for (const BpeMerge& merge : file_.merges) distinct.push_back(score_of(merge));
    std::sort(distinct.begin(), distinct.end(), std::greater<>());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (const BpeMerge& merge : file_.merges) {
      const auto at = std::lower_bound(distinct.begin(), distinct.end(), score_of(merge), std::greater<>());
      file_.merge_ranks.push_back(static_cast<std::int32_t>(at - distinct.begin()));
    }
  }

  const std::vector<ScoredPiece>& pieces_;
  TokenizerFile& file_;
};

}  // namespace

bool merge_by_score(const std::vector<ScoredPiece>& pieces, TokenizerFile& file) {
  return MergeMaker(pieces, file).run();
}

}  // namespace strata
