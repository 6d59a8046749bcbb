// SentencePiece's BPE from pieces and scores. The library joins, again and again, the neighbours whose
// concatenation is the piece with the highest score, the leftmost on a tie (google/sentencepiece,
// src/bpe_model.cc). As a table of merges: every piece, cut in two in every way, ranked by its score.
#pragma once

#include <string_view>
#include <vector>

#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// Trainers make pieces of at most 16 characters. The table takes time in the square of the length.
inline constexpr std::size_t kLongestPieceBytes = 1024;
/// The largest published vocabularies have about 10^6 merges.
inline constexpr std::size_t kMostMerges = std::size_t{1} << 25;

struct ScoredPiece {
  enum class Role {
    none,    ///< takes no part in merging
    made,    ///< merges make it, but it joins with nothing
    joined,  ///< merges make it and join it
  };
  std::string_view text;  ///< valid UTF-8
  float score = 0;        ///< finite unless the role is `none`
  Role role = Role::none;
};

/// Fills `symbols`, `merges` and `merge_ranks` of `file`, whose `vocab` maps the text of each of `pieces` to
/// its index. Returns false, with the merges incomplete, when there would be more than kMostMerges.
[[nodiscard]] bool merge_by_score(const std::vector<ScoredPiece>& pieces, TokenizerFile& file);

}  // namespace strata
