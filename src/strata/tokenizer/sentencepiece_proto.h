// ModelProto of sentencepiece_model.proto (google/sentencepiece), as far as ids depend on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// The fields with the schema's defaults. Views point into the file.
struct SentencePieceProto {
  struct Piece {
    std::string_view text;  ///< not empty, valid UTF-8
    float score = 0;
    PieceType type = PieceType::normal;
  };
  enum class ModelType { unigram = 1, bpe = 2, word = 3, character = 4 };

  std::vector<Piece> pieces;
  // trainer_spec
  ModelType model_type = ModelType::unigram;
  bool treat_whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::string_view bos_piece, eos_piece;  ///< empty = "<s>", "</s>"
  // normalizer_spec
  std::string_view normalizer_name;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool has_character_map = false;  ///< precompiled_charsmap, of denormalizer_spec too
};

/// Throws Error(bad_file) naming the field. What is not read is passed over, as far as it is well-formed.
[[nodiscard]] SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& where);

}  // namespace strata
