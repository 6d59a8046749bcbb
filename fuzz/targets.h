// What is fuzzed: one function for each reader of files that nobody vouches for. libFuzzer calls them with
// inputs it invents (entry.cpp), tests/fuzz with the corpus. docs/robustness.md says how to run them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace strata {
class Tokenizer;
struct ModelConfig;
}  // namespace strata

namespace strata::fuzz {

/// A .safetensors file, or, when it begins with '{', a header that is given its right length; what
/// follows the first zero byte is then the data.
void safetensors(std::string_view input);

/// A GGUF file, or, when it does not begin with its magic, two bytes of counts (keys, tensors) and what
/// follows them in a file of version 3. Reads every key as every type.
void gguf(std::string_view input);

/// A config.json.
void config(std::string_view input);

/// A tokenizer.json, a zero byte, and a text to encode. An input that does not begin with '{' continues a
/// document whose model.vocab holds the 256 bytes already, so that a mutation has something else to hit:
/// as <0x00> to <0xFF> with byte_fallback behind a '#', else in the byte-level alphabet.
void tokenizer(std::string_view input);

/// vocab.json, merges.txt, tokenizer_config.json and a text, with zero bytes between them. A vocabulary that
/// does not begin with '{' continues one that holds the 256 bytes; without a configuration the class is
/// Qwen2Tokenizer.
void tokenizer_folder(std::string_view input);

/// The keys tokenizer.ggml.* of a GGUF file, in lines of a letter and a value: 'm' model, 'p' pre, 't' a
/// token (its type as a digit, its score as a byte, its text), 'g' a merge, 'b' and 'e' the ids of BOS and
/// EOS, 'B', 'E' and 's' the flags add_bos, add_eos and add_space_prefix, 'x' the text to encode. The 256
/// bytes are there already, as ids 0 to 255.
void tokenizer_gguf(std::string_view input);

/// A tokenizer.model: ids of texts, and tokenizer_config.json when the input begins with '{'.
void sentencepiece(std::string_view input);

/// What every accepted config promises, whichever file it came from.
void check_config(const ModelConfig& config);

/// "<0x0A>" for 10.
[[nodiscard]] std::string fallback_token(unsigned char byte);

/// A results.json, or an array of .npy when the input begins with its magic.
void record(std::string_view input);

/// A study file (TOML, or JSON when it begins with '{'), or a study.json when it begins with "{\n".
void study(std::string_view input);

/// A byte that says how the user calls it (name, --text-key, --ids-dtype, --text-format), and a file of text
/// or token ids.
void texts(std::string_view input);

/// A file in the place of a model, and an adapter_config.json.
void foreign(std::string_view input);

/// What a tokenizer is put through once it is loaded: fixed texts and `text`, with and without special
/// tokens.
void use_tokenizer(const Tokenizer& tokenizer, std::string_view text);

struct Target {
  std::string_view name;  ///< of the program and of its folder in fuzz/corpus
  void (*run)(std::string_view input);
};

/// Every target; a new one is a row here and a strata_fuzz() line in CMakeLists.txt.
inline constexpr Target kTargets[] = {
    {"safetensors", safetensors},
    {"gguf", gguf},
    {"config", config},
    {"tokenizer", tokenizer},
    {"tokenizer_folder", tokenizer_folder},
    {"tokenizer_gguf", tokenizer_gguf},
    {"sentencepiece", sentencepiece},
    {"record", record},
    {"study", study},
    {"texts", texts},
    {"foreign", foreign},
};

}  // namespace strata::fuzz
