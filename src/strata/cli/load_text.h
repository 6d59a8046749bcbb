// From the path on the command line to windows of token ids.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "strata/checkpoint/checkpoint.h"
#include "strata/corpus/corpus.h"

namespace strata {

struct TextOptions {
  std::filesystem::path path;  ///< empty = the tales that come with strata
  int context = 0;             ///< 0 = 512, or the model's limit if that is less
  int chunks = 0;
  int limit = 0;
};

struct LoadedText {
  std::optional<Tokenizer> tokenizer;  ///< none when ids were given (.npy)
  Corpus corpus;
};

[[nodiscard]] LoadedText load_text(const Checkpoint& checkpoint, const TextOptions& options);

}  // namespace strata
