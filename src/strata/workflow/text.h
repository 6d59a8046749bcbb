// From a path to windows of token ids.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "strata/checkpoint/checkpoint.h"
#include "strata/corpus/corpus.h"
#include "strata/workflow/model.h"

namespace strata {

struct LoadedText {
  std::optional<Tokenizer> tokenizer;  ///< none when ids were given
  Corpus corpus;
  std::vector<RawDocument> texts = {};  ///< as they were read, where TextOptions::keep_texts asks for them
};

/// The tokenizer at `given`, or, where that is empty, the one that comes with the model; nothing where none
/// does. Throws what reading it throws.
[[nodiscard]] std::optional<Tokenizer> find_tokenizer(const Checkpoint& checkpoint,
                                                      const std::filesystem::path& given = {});

[[nodiscard]] LoadedText load_text(const Checkpoint& checkpoint, const TextOptions& options);

}  // namespace strata
