// vocab.json and merges.txt, which GPT-2's and Qwen2's tokenizers were saved as before tokenizer.json.
#pragma once

#include <string>
#include <string_view>

#include "strata/tokenizer/hugging_face_config.h"
#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// What transformers makes of the two files for the class in `config`: Qwen2Tokenizer or GPT2Tokenizer.
/// Throws Error(bad_file) naming file and line, Error(unsupported) for other classes.
[[nodiscard]] TokenizerFile parse_vocab_merges(std::string_view vocab, const std::string& vocab_where,
                                               std::string_view merges, const std::string& merges_where,
                                               const HuggingFaceConfig& config);

}  // namespace strata
