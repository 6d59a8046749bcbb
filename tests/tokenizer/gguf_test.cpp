// Byte-level BPE from GGUF, and a corrupt or foreign twin for every key of both models.
#include <gtest/gtest.h>

#include <limits>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny_gguf.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using Strings = std::vector<std::string>;
using test::bpe_gguf;
using test::load;
using test::pieces;
using test::spm_gguf;

TEST(GgufBpe, PreTokenizersCutDifferently) {
  const Strings merges = {"1 2", "12 3", "\u0120 a", "1 4"};
  for (const char* name : {"llama-bpe", "llama3", "llama-v3"}) {
    auto file = bpe_gguf(name, merges);
    file.set("tokenizer.ggml.bos_token_id", test::gguf_u32(3));
    EXPECT_EQ(pieces(load(file), "1234 a"), (Strings{"123", "4", " a"}));
  }
  EXPECT_EQ(pieces(load(bpe_gguf("qwen2", merges)), "12 a"), (Strings{"1", "2", " a"}));
  EXPECT_EQ(pieces(load(bpe_gguf("default", merges)), "1231 a"), (Strings{"123", "1", " a"}));
  // "default" cuts digits by three from the left, and a dollar from what follows.
  EXPECT_EQ(pieces(load(bpe_gguf("default", {"$ $", "$$ !"})), "$$!a"), (Strings{"$$!", "a"}));
}

// GPT-2's pattern on what lies between single digits: a space before a digit stays alone.
TEST(GgufBpe, SmolLMCutsEveryDigitAndThenLikeGpt2) {
  const Tokenizer smollm = load(bpe_gguf("smollm", {"1 2", "\u0120 1", "\u0120 a", "\u0120 \u0120", "' s"}));
  EXPECT_EQ(pieces(smollm, "12 1 a's\u0661\u0662"),
            (Strings{"1", "2", " ", "1", " a", "'s", "\xd9", "\xa1", "\xd9", "\xa2"}));
  EXPECT_EQ(pieces(smollm, "a   a"), (Strings{"a", "  ", " a"}));
  EXPECT_EQ(pieces(smollm, "a  1"), (Strings{"a", "  ", "1"}));
  EXPECT_TRUE(smollm.prefix().empty());
}

// Names that llama.cpp gives one pattern and the same flags.
TEST(GgufBpe, AliasesCutAlike) {
  const Strings merges = {"1 2", "12 3", "\u0120 a", "! !", "' S"};
  const std::string text = "1234 a!!'S x\n\n  y";
  const auto with_bos = [&](const char* name) {
    auto file = bpe_gguf(name, merges);
    file.set("tokenizer.ggml.bos_token_id", test::gguf_u32(3));
    return load(file);
  };
  const std::pair<const char*, const char*> same[] = {
      {"falcon3", "llama-bpe"}, {"megrez", "qwen2"}, {"kormo", "qwen2"}, {"f2llmv2", "qwen2"}};
  for (const auto& [alias, name] : same) {
    EXPECT_EQ(pieces(with_bos(alias), text), pieces(with_bos(name), text)) << alias;
    EXPECT_EQ(with_bos(alias).prefix(), with_bos(name).prefix()) << alias;
  }
  // Smaug has Llama 3's pattern without its flags: no BOS, and no token for a whole word that merges do not
  // make.
  EXPECT_EQ(pieces(with_bos("smaug-bpe"), text), pieces(with_bos("llama-bpe"), text));
  EXPECT_TRUE(with_bos("smaug-bpe").prefix().empty());
  auto whole = bpe_gguf("smaug-bpe", {"a b"});
  Strings tokens;
  for (int b = 0; b < 256; ++b) tokens.push_back(test::spelled(std::string(1, static_cast<char>(b))));
  for (const char* more : {"ab", "xyz"}) tokens.emplace_back(more);
  whole.set("tokenizer.ggml.tokens", test::gguf_strings(tokens));
  whole.set("tokenizer.ggml.token_type", test::gguf_i32s(std::vector<std::int32_t>(tokens.size(), 1)));
  EXPECT_EQ(pieces(load(whole), "xyz"), (Strings{"x", "y", "z"}));
  whole.set("tokenizer.ggml.pre", test::gguf_string("falcon3"));
  whole.set("tokenizer.ggml.bos_token_id", test::gguf_u32(3));
  EXPECT_EQ(pieces(load(whole), "xyz"), (Strings{"xyz"}));
}

TEST(GgufBpe, WholeWordsOfLlama3AndPolicies) {
  auto file = bpe_gguf("llama-bpe", {"a b"});
  EXPECT_STRATA_ERROR(load(file), ErrorKind::bad_file, "tokenizer.ggml.bos_token_id: missing");
  file.set("tokenizer.ggml.bos_token_id", test::gguf_u32(257));
  EXPECT_EQ(load(file).prefix(), Ids{257});
  file.set("tokenizer.ggml.add_bos_token", test::gguf_flag(false));
  EXPECT_TRUE(load(file).prefix().empty());
  EXPECT_TRUE(load(bpe_gguf("qwen2", {})).prefix().empty());
  EXPECT_EQ(load(file).encode("ab<|end|>ab", false), (Ids{256, 257, 256}));
  EXPECT_EQ(load(file).id_of("<|end|>"), 257);
}

// llama.cpp takes every token for an ordinary one; old converters wrote no types.
TEST(GgufBpe, TypesMayBeAbsent) {
  auto file = bpe_gguf("qwen2", {"a b"});
  file.erase("tokenizer.ggml.token_type");
  EXPECT_EQ(load(file).encode("ab", false), Ids{256});
  EXPECT_NE(load(file).encode("<|end|>", false), Ids{257});
}

TEST(GgufDigest, IsThatOfTheTokenizersKeysAlone) {
  auto file = bpe_gguf("qwen2", {"a b"});
  const std::string digest = load(file).sha256();
  file.set("general.name", test::gguf_string("x"));
  EXPECT_EQ(load(file).sha256(), digest);
  EXPECT_NE(load(bpe_gguf("default", {"a b"})).sha256(), digest);
  EXPECT_NE(load(bpe_gguf("qwen2", {"a c"})).sha256(), digest);
  file.set("tokenizer.ggml.eos_token_id", test::gguf_u32(3));
  EXPECT_NE(load(file).sha256(), digest);
}

struct GgufTwin {
  const char* key;
  std::optional<test::GgufStored> value;  ///< nothing removes the key
  ErrorKind kind;
  const char* message;
};

void expect_errors(const test::GgufFile& original, const std::vector<GgufTwin>& twins) {
  ASSERT_NO_THROW(load(original));
  for (const GgufTwin& twin : twins) {
    SCOPED_TRACE(std::string(twin.key) + ": " + twin.message);
    test::GgufFile file = original;
    twin.value ? file.set(twin.key, *twin.value) : file.erase(twin.key);
    EXPECT_STRATA_ERROR(load(file), twin.kind, twin.message);
    EXPECT_STRATA_ERROR(load(file), twin.kind, std::string("t.gguf: ") + twin.key);
  }
}

constexpr auto kBadGguf = ErrorKind::bad_file;
constexpr auto kForeignGguf = ErrorKind::unsupported;

TEST(CorruptGguf, Bpe) {
  const auto original = bpe_gguf("qwen2", {"a b", "ab c"});
  const auto tokens = [](std::size_t at, const char* text) {
    Strings all;
    for (int b = 0; b < 256; ++b) all.push_back(test::spelled(std::string(1, static_cast<char>(b))));
    for (const char* more : {"ab", "abc", "<|end|>"}) all.emplace_back(more);
    all.at(at) = text;
    return test::gguf_strings(all);
  };
  std::vector<std::int32_t> types(259, 1);
  types[5] = 0;
  const auto zero = test::gguf_i32s(types);
  types[5] = 7;
  const auto seven = test::gguf_i32s(types);
  expect_errors(
      original,
      {
          {"tokenizer.ggml.model", std::nullopt, kBadGguf, "missing"},
          {"tokenizer.ggml.model", test::gguf_u32(1), kBadGguf, "expected a string"},
          {"tokenizer.ggml.model", test::gguf_string("bert"), kForeignGguf,
           "tokenizer \"bert\" is not supported"},
          {"tokenizer.ggml.pre", std::nullopt, kForeignGguf, "missing"},
          {"tokenizer.ggml.pre", test::gguf_string("chameleon"), kForeignGguf, "pre-tokenizer \"chameleon\""},
          {"tokenizer.ggml.pre", test::gguf_flag(true), kBadGguf, "expected a string"},
          {"tokenizer.ggml.tokens", std::nullopt, kBadGguf, "missing"},
          {"tokenizer.ggml.tokens", test::gguf_strings({}), kBadGguf, "0 tokens"},
          {"tokenizer.ggml.tokens", test::gguf_i32s({1}), kBadGguf, "array of strings"},
          {"tokenizer.ggml.tokens", tokens(3, "\xff"), kBadGguf, "invalid UTF-8 in token 3"},
          {"tokenizer.ggml.tokens", tokens(258, "ab"), kBadGguf, "token 258 (\"ab\") twice"},
          {"tokenizer.ggml.token_type", test::gguf_i32s({1, 1}), kBadGguf, "2 types"},
          {"tokenizer.ggml.token_type", test::gguf_strings({"a"}), kBadGguf, "array of integers"},
          {"tokenizer.ggml.token_type", zero, kBadGguf, "type 0 of token 5"},
          {"tokenizer.ggml.token_type", seven, kBadGguf, "type 7 of token 5"},
          {"tokenizer.ggml.merges", std::nullopt, kBadGguf, "missing"},
          {"tokenizer.ggml.merges", test::gguf_floats({1}), kBadGguf, "array of strings"},
          {"tokenizer.ggml.merges", test::gguf_strings({"a b", "ab"}), kBadGguf, "no two tokens in merge 1"},
          {"tokenizer.ggml.merges", test::gguf_strings({"a b c"}), kBadGguf, "one space between"},
          {"tokenizer.ggml.merges", test::gguf_strings({"a qq"}), kBadGguf,
           "unknown token \"qq\" in merge 0"},
          {"tokenizer.ggml.merges", test::gguf_strings({"b c"}), kBadGguf, "unknown token \"bc\""},
          {"tokenizer.ggml.merges", test::gguf_strings({"a b", "a b"}), kBadGguf, "there before in merge 1"},
          {"tokenizer.ggml.bos_token_id", test::gguf_u32(259), kBadGguf, "259; expected an id below 259"},
          {"tokenizer.ggml.eos_token_id", test::gguf_u32(0xfffffffe), kBadGguf, "4294967294"},
          {"tokenizer.ggml.bos_token_id", test::gguf_string("1"), kBadGguf, "expected an integer"},
          {"tokenizer.ggml.add_bos_token", test::gguf_u32(1), kBadGguf, "true or false"},
          {"tokenizer.ggml.add_eos_token", test::gguf_string("no"), kBadGguf, "true or false"},
      });
  auto file = original;
  file.set("tokenizer.ggml.add_eos_token", test::gguf_flag(true));
  EXPECT_STRATA_ERROR(load(file), kBadGguf, "tokenizer.ggml.eos_token_id: missing");
  file.set("tokenizer.ggml.eos_token_id", test::gguf_u32(0xffffffff));
  EXPECT_STRATA_ERROR(load(file), kBadGguf, "tokenizer.ggml.eos_token_id: none");
}

TEST(CorruptGguf, Spm) {
  const auto original = spm_gguf({{"a", -1}, {"b", -1}});
  std::vector<float> scores(261);
  scores[260] = std::numeric_limits<float>::quiet_NaN();
  expect_errors(original,
                {
                    {"tokenizer.ggml.scores", std::nullopt, kBadGguf, "missing"},
                    {"tokenizer.ggml.scores", test::gguf_floats({1}), kBadGguf, "1 scores"},
                    {"tokenizer.ggml.scores", test::gguf_i32s({1}), kBadGguf, "array of f32"},
                    {"tokenizer.ggml.scores", test::gguf_floats(scores), kBadGguf, "score nan of token 260"},
                    {"tokenizer.ggml.add_space_prefix", test::gguf_u32(1), kBadGguf, "true or false"},
                    {"tokenizer.ggml.remove_extra_whitespaces", test::gguf_flag(true), kForeignGguf, "true"},
                    {"tokenizer.ggml.bos_token_id", test::gguf_u32(261), kBadGguf, "an id below 261"},
                });
  EXPECT_STRATA_ERROR(load(spm_gguf({{"<0x4G>", 0, 6}})), kBadGguf, "token 259 of type byte is \"<0x4G>\"");
  EXPECT_STRATA_ERROR(load(spm_gguf({{std::string(2000, 'a'), 0}})), kForeignGguf, "a piece of 2000 bytes");
  EXPECT_STRATA_ERROR(load(spm_gguf({{"a", 0}, {"aa", 0, 5}})), kForeignGguf, "unused token 260");
  EXPECT_NO_THROW(load(spm_gguf({{"[PAD]", 0, 5}, {"", 0}})));
  auto file = original;
  file.set("tokenizer.ggml.tokens", test::gguf_strings({"a"}));
  file.set("tokenizer.ggml.token_type", test::gguf_i32s({1}));
  file.set("tokenizer.ggml.scores", test::gguf_floats({0}));
  EXPECT_STRATA_ERROR(load(file), kForeignGguf, "no token for the byte <0x00>");
  EXPECT_STRATA_ERROR(load(original).token_bytes(261), kBadGguf, "token id 261");
}

}  // namespace
}  // namespace strata
