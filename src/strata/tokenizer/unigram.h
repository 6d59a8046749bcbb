// SentencePiece's unigram model: the segmentation with the highest sum of scores.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/tokenizer/bpe.h"
#include "strata/tokenizer/piece_trie.h"
#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// The ids of Model::EncodeOptimized (google/sentencepiece, src/unigram_model.cc), with its float32 sums.
class UnigramModel : public WordModel {
 public:
  /// Copies what it needs from `file`, which has SentencePieceRules.
  explicit UnigramModel(const TokenizerFile& file);
  /// `text` is normalised. A run of unknown characters gives `unknown` once for each.
  void encode_word(std::string_view text, std::vector<std::int32_t>& out) const override;

 private:
  PieceTrie trie_;
  std::vector<float> scores_;       // by id
  std::vector<bool> user_defined_;  // by id
  float least_ = 0, greatest_ = 0;  // score of the normal pieces
  bool byte_fallback_;
  ByteIds byte_ids_{};
  std::int32_t unknown_;
};

}  // namespace strata
