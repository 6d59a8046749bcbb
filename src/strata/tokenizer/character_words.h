// Marked text to ids by the merges of a TokenizerFile, cut into words where that changes nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/tokenizer/bpe.h"
#include "strata/tokenizer/tokenizer_file.h"
#include "strata/tokenizer/words.h"

namespace strata {

class CharacterWords {
 public:
  explicit CharacterWords(const TokenizerFile& file);
  /// Appends the ids of `text`, in which U+2581 stands for spaces. `cache` serves this object alone.
  void encode(std::string_view text, WordCache& cache, std::vector<std::int32_t>& ids) const;
  [[nodiscard]] const CharacterBpeModel& model() const { return model_; }

 private:
  bool cut_;
  CharacterBpeModel model_;
};

}  // namespace strata
