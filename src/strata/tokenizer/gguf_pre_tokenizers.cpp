// Names, patterns and flags of llama.cpp (llama_vocab::impl::load and llm_tokenizer_bpe in
// src/llama-vocab.cpp). Its unicode.cpp matches patterns with \p{...} on a text of categories, others on
// characters with every white space beyond ASCII made U+000B; where that matters the patterns here say so.
#include "strata/tokenizer/gguf_pre_tokenizers.h"

#include <fmt/format.h>

#include "strata/tokenizer/split_pattern.h"

namespace strata {
namespace {

constexpr std::string_view kLlama3 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Letters but a-z, then letters but A-Z: llama.cpp has no classes of upper and lower case.
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])*(?:(?=\p{L})[^A-Z])+|[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])+(?:(?=\p{L})[^A-Z])*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])*(?:(?=\p{L})[^A-Z])+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])+(?:(?=\p{L})[^A-Z])*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// A match and what lies between matches are both words, so GPT-2's pattern with and without its last
// alternative \s+ (which llama.cpp leaves out) cuts alike.
constexpr std::array<std::string_view, 6> kDefault = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)",
                                                      "[0-9][0-9][0-9]"};
constexpr std::array<std::string_view, 6> kSmolLm = {R"(\p{N})", kGpt2Pattern};

constexpr std::string_view kLineBreaks = R"([\r\n])";
// U+3000 ends no range here, and white space in the ranges is taken out: it is U+000B to llama.cpp.
constexpr std::string_view kDeepSeekCjk = R"((?:(?!\s)[一-龥ࠀ-一가-퟿])+)";
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::array<std::string_view, 6> kDeepSeekLlm = {
    kLineBreaks,          kDeepSeekLetters, R"(\s?[!-/:-~！-／：-～‘-‟、-。]+)",
    R"(\s+(?!\s)(?!\S))", kDeepSeekCjk,     R"(\p{N}+)"};
constexpr std::array<std::string_view, 6> kDeepSeekCoder = {kLineBreaks, R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                                            kDeepSeekCjk, R"(\p{N})"};

constexpr auto kPreTokenizers = std::to_array<GgufPreTokenizer>({
    {"llama-bpe", true, true, {kLlama3}},
    {"llama3", true, true, {kLlama3}},
    {"llama-v3", true, true, {kLlama3}},
    {"falcon3", true, true, {kLlama3}},
    {"falcon-h1", true, true, {kLlama3}},
    {"pixtral", true, true, {kLlama3}},
    {"midm-2.0", true, true, {kLlama3}},
    {"lfm2", true, true, {kLlama3}},
    {"smaug-bpe", false, false, {kLlama3}},
    {"dbrx", false, false, {kLlama3}},
    {"qwen2", false, false, {kQwen2}},
    {"deepseek-r1-qwen", false, false, {kQwen2}},
    {"megrez", false, false, {kQwen2}},
    {"kormo", false, false, {kQwen2}},
    {"f2llmv2", false, false, {kQwen2}},
    {"stablelm2", false, false, {kQwen2}},
    {"hunyuan", false, false, {kQwen2}},
    {"solar-open", false, false, {kQwen2}},
    {"qwen35", false, false, {kQwen35}},
    {"tekken", true, true, {kTekken}},
    {"gpt-4o", false, false, {kGpt4o}},
    {"llama4", false, false, {kGpt4o}},
    {"kanana2", false, false, {kGpt4o}},
    {"deepseek-llm", false, false, kDeepSeekLlm},
    {"deepseek-coder", false, false, kDeepSeekCoder},
    {"smollm", false, false, kSmolLm},
    {"starcoder", false, false, kSmolLm},
    {"refact", false, false, kSmolLm},
    {"command-r", false, false, kSmolLm},
    {"codeshell", false, false, kSmolLm},
    {"exaone", false, false, kSmolLm},
    {"minerva-7b", false, false, kSmolLm},
    {"gpt-2", false, false, {kGpt2Pattern}},
    {"phi-2", false, false, {kGpt2Pattern}},
    {"olmo", false, false, {kGpt2Pattern}},
    {"mpt", false, false, {kGpt2Pattern}},
    {"exaone4", false, false, {kGpt2Pattern}},
    {"default", false, false, kDefault},
});

}  // namespace

const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name) {
  for (const GgufPreTokenizer& known : kPreTokenizers)
    if (known.name == name) return &known;
  return nullptr;
}

std::string gguf_pre_tokenizer_names() {
  std::string names;
  for (const GgufPreTokenizer& known : kPreTokenizers)
    names += fmt::format("{}\"{}\"", names.empty() ? "one of " : ", ", known.name);
  return names;
}

}  // namespace strata
