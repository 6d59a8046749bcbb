// The files beside a tokenizer.json that transformers reads too: which tokens a text gets around it, tokens
// added later.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/tokenizer/json_view.h"
#include "strata/tokenizer/tokenizer_file.h"

namespace strata {

/// tokenizer_config.json, with what special_tokens_map.json and config.json say where it is silent.
struct HuggingFaceConfig {
  std::string where;            ///< tokenizer_config.json, for messages
  std::string tokenizer_class;  ///< without "Fast"; empty = none of the files says
  bool class_is_guess = false;  ///< from model_type alone
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_prefix_space;
  /// bos_token, eos_token, ... -> text; nothing where the file says null.
  std::map<std::string, std::optional<std::string>, std::less<>> named;
  std::vector<std::string> extra;  ///< additional_special_tokens
  std::vector<AddedToken> added;   ///< added_tokens_decoder by id; these have ids
  bool lists_added = false;        ///< added_tokens_decoder is there
};

/// Throws Error(bad_file) or Error(unsupported) naming file and key.
[[nodiscard]] HuggingFaceConfig parse_hugging_face_config(std::string_view json, const std::string& where);
/// Named tokens of a special_tokens_map.json, which go over those of the configuration (transformers 4).
void add_special_tokens_map(std::string_view json, const std::string& where, HuggingFaceConfig& config);

/// "LlamaTokenizer" of "LlamaTokenizerFast".
[[nodiscard]] std::string slow_class_name(std::string name);
/// The class that transformers takes for a model_type when no file names one; empty = unknown.
[[nodiscard]] std::string class_of_model_type(std::string_view model_type);

/// Adds the tokens that the configuration names and `file` lacks, as transformers does, and, where the class
/// does so (LlamaTokenizer and its like), puts BOS and EOS around a text as add_bos_token and add_eos_token
/// say in place of the template in tokenizer.json.
void apply_hugging_face_config(const HuggingFaceConfig& config, TokenizerFile& file);

/// One entry of added_tokens_decoder. Error(unsupported) for lstrip, rstrip and single_word.
[[nodiscard]] AddedToken read_decoder_entry(const JsonView& token, std::string_view id);

}  // namespace strata
